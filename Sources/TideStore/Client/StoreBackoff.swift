/// How long to wait before the next attempt to connect: twice as long each time, and not at the same instant as every other gateway.
struct StoreBackoff {
  private let leastMs: Int
  private let mostMs: Int
  private var nextMs: Int

  init(_ settings: StoreSettings) {
    leastMs = max(1, settings.backoffMs)
    mostMs = max(leastMs, settings.backoffMsMax)
    nextMs = leastMs
  }

  /// - Parameter random: from 0 to 1.
  mutating func next(random: Double = .random(in: 0...1)) -> Int {
    let wait = nextMs
    nextMs = min(mostMs, nextMs * 2)
    return max(1, Int(Double(wait) * (0.75 + random / 2)))
  }

  /// The server has answered a command: whatever was wrong is over.
  mutating func reset() { nextMs = leastMs }
}

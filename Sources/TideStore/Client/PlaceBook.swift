import TideCore

/// The places that this process holds, and when they are renewed. Pure: the clock is the caller's.
struct PlaceBook {
  /// Members that one command renews.
  static let batch = 100

  private var members: [String: Set<String>] = [:]
  private let everyMs: Int
  private(set) var nextRenewal = MonotonicTime.distantFuture

  init(everyMs: Int) { self.everyMs = everyMs }

  var isEmpty: Bool { members.isEmpty }
  var count: Int { members.values.reduce(0) { $0 + $1.count } }

  mutating func hold(_ place: StorePlace, now: MonotonicTime) {
    if members.isEmpty { nextRenewal = now.advanced(byMs: everyMs) }
    members[place.key, default: []].insert(place.member)
  }

  mutating func release(_ place: StorePlace) {
    guard members[place.key]?.remove(place.member) != nil else { return }
    if members[place.key]?.isEmpty == true { members[place.key] = nil }
    if members.isEmpty { nextRenewal = .distantFuture }
  }

  /// Everything that is held, in pieces that a command can carry.
  mutating func renewals(now: MonotonicTime) -> [(key: String, members: [String])] {
    guard !members.isEmpty else { return [] }
    nextRenewal = now.advanced(byMs: everyMs)
    return members.flatMap { key, held in
      let held = Array(held)
      return stride(from: 0, to: held.count, by: Self.batch).map { start in
        (key, Array(held[start..<min(start + Self.batch, held.count)]))
      }
    }
  }
}

import TideCore

/// Streams that bytes were taken from, in no order, each once. Not retained. The first stands in here: most connections have one alone, and
/// need no memory elsewhere.
struct TakenStreams {
  private var first: Unmanaged<HTTPStream>?
  private var others: ContiguousArray<Unmanaged<HTTPStream>> = []

  @inline(__always)
  mutating func append(_ stream: HTTPStream) {
    if first == nil {
      first = .passUnretained(stream)
    } else {
      others.append(.passUnretained(stream))
    }
  }

  @inline(__always)
  mutating func popLast() -> Unmanaged<HTTPStream>? {
    guard let first else { return nil }
    if others.isEmpty {
      self.first = nil
      return first
    }
    return others.popLast()
  }
}

import TideCore

/// Streams in the order in which they came, each once. Not retained: one that goes must be removed first. The first stands in here: most
/// connections have one alone, and need no memory elsewhere.
struct StreamQueue {
  private var first: Unmanaged<HTTPStream>?
  private var others: ContiguousArray<Unmanaged<HTTPStream>> = []
  /// Those of `others` before it have been given.
  private var nextOther = 0

  var isEmpty: Bool { first == nil }
  var count: Int { first == nil ? 0 : 1 &+ others.count &- nextOther }

  @inline(__always)
  mutating func append(_ stream: HTTPStream) {
    if first == nil {
      first = .passUnretained(stream)
    } else {
      others.append(.passUnretained(stream))
    }
  }

  @inline(__always)
  mutating func popFirst() -> Unmanaged<HTTPStream>? {
    guard let stream = first else { return nil }
    first = nil
    if nextOther < others.count { takeOther() }
    return stream
  }

  private mutating func takeOther() {
    first = others[nextOther]
    nextOther += 1
    if nextOther == others.count {
      others.removeAll(keepingCapacity: true)
      nextOther = 0
    } else if nextOther >= 64, nextOther * 2 >= others.count {
      others.removeFirst(nextOther)
      nextOther = 0
    }
  }

  /// The stream that comes after `count` others; nil when there are not so many.
  @inline(__always)
  func peek(_ count: Int) -> Unmanaged<HTTPStream>? {
    guard count > 0 else { return first }
    let position = nextOther &+ count &- 1
    return position < others.count ? others[position] : nil
  }

  /// Takes a stream out, wherever it stands. For the few that end while they have something to send.
  mutating func remove(_ stream: HTTPStream) {
    let address = Unmanaged.passUnretained(stream).toOpaque()
    if first?.toOpaque() == address {
      _ = popFirst()
    } else if let position = others[nextOther...].firstIndex(where: { $0.toOpaque() == address }) {
      others.remove(at: position)
    }
  }
}

import TideCore

/// Streams in the order in which they got something to send, each once. Not retained: one that goes must be removed first.
struct StreamQueue {
  private var streams: ContiguousArray<Unmanaged<HTTPStream>> = []
  private var first = 0

  var isEmpty: Bool { first == streams.count }
  var count: Int { streams.count &- first }

  mutating func append(_ stream: HTTPStream) { streams.append(.passUnretained(stream)) }

  mutating func popFirst() -> Unmanaged<HTTPStream>? {
    guard first < streams.count else { return nil }
    let stream = streams[first]
    first += 1
    if first == streams.count {
      streams.removeAll(keepingCapacity: true)
      first = 0
    } else if first >= 64, first * 2 >= streams.count {
      streams.removeFirst(first)
      first = 0
    }
    return stream
  }

  /// The stream that comes after `count` others; nil when there are not so many.
  @inline(__always)
  func peek(_ count: Int) -> Unmanaged<HTTPStream>? {
    let position = first &+ count
    return position < streams.count ? streams[position] : nil
  }

  /// Takes a stream out, wherever it stands. For the few that end while they have something to send.
  mutating func remove(_ stream: HTTPStream) {
    let address = Unmanaged.passUnretained(stream).toOpaque()
    guard let position = streams[first...].firstIndex(where: { $0.toOpaque() == address }) else { return }
    streams.remove(at: position)
  }
}

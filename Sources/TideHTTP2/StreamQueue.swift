import TideCore

/// Streams in the order in which they got something to send.
struct StreamQueue {
  private var streams: ContiguousArray<HTTPStream?> = []
  private var first = 0

  var isEmpty: Bool { first == streams.count }

  mutating func append(_ stream: HTTPStream) { streams.append(stream) }

  mutating func popFirst() -> HTTPStream? {
    guard first < streams.count else { return nil }
    let stream = streams[first].take()
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
}

import TideCore

@testable import TideHTTP1

/// A client codec without a socket.
final class ClientHarness: CodecOwner {
  private(set) var codec: HTTP1ClientCodec!
  var now = MonotonicTime(nanoseconds: 1_000_000_000)
  var output: [UInt8] = []
  var close: CodecClose?
  var capacityChangeCount = 0
  let consumer = RecordingConsumer()

  init() { codec = HTTP1ClientCodec(settings: HTTP1Settings(), owner: self, now: now) }

  func codecNeedsFlush() {}
  func codecDidReceive(_ head: RequestHead, on stream: HTTPStream, endStream: Bool) {}
  func codecDidChangeCapacity() { capacityChangeCount += 1 }
  func codecWantsClose(_ reason: CodecClose) {
    precondition(close == nil, "closed twice")
    close = reason
  }

  @discardableResult
  func open(_ method: String = "GET", contentLength: Int? = nil, endStream: Bool = true) -> HTTPStream? {
    let head = RequestHead(method: method, authority: "a", path: "/x", contentLength: contentLength)
    return codec.open(head, endStream: endStream, consumer: consumer, now: now)
  }

  func feed(_ bytes: [UInt8]) {
    if close != nil { return }
    bytes.withUnsafeBytes { codec.receive($0, now: now) }
    flush()
  }

  func feed(_ text: String) { feed(latin1(text)) }

  func end(clean: Bool = true) {
    if close == nil { codec.receiveEnd(clean: clean, now: now) }
    flush()
  }

  func flush() {
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = buffer.withUnsafeMutableBytes { codec.produce(into: $0, now: now) }
      if count == 0 { break }
      output.append(contentsOf: buffer[0..<count])
    }
  }

  var transcript: String {
    "\(consumer.heads) \(text(consumer.body)) \(consumer.events.joined(separator: ",")) "
      + "\(close.map { "\($0)" } ?? "open") \(codec.isReusable)"
  }
}

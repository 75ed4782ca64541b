import TideCore
import TideHTTP1
import TideIO

/// A connection that speaks HTTP/1.1: one request after the other.
///
/// The codec's deadlines are not armed: a stream without tokens is the client's own to notice.
final class HTTP1BenchConnection: BenchConnection, CodecOwner {
  private var codec: HTTP1ClientCodec?

  override var hasRoom: Bool { (codec?.availableStreams ?? 0) > 0 }

  override func begin() {
    var settings = HTTP1Settings()
    settings.isSecure = isTLS
    codec = HTTP1ClientCodec(settings: settings, owner: self, now: worker.now)
  }

  override func open(_ stream: BenchStream) {
    guard let codec else { return }
    let request = owner.request
    guard let open = codec.open(request.head, endStream: false, consumer: stream, now: worker.now) else { return }
    open.output.append(request.body)
    open.end()
  }

  /// HTTP/1.1 knows no other way than to close.
  override func cancel(_ stream: BenchStream) { abort() }

  override func receive(_ bytes: UnsafeRawBufferPointer) { codec?.receive(bytes, now: owner.readAt) }

  override func connectionDidReceiveEnd(clean: Bool) {
    codec?.receiveEnd(clean: clean, now: worker.now)
    if !isClosed { close() }
  }

  override func connectionProduce(into buffer: UnsafeMutableRawBufferPointer) -> Int {
    codec?.produce(into: buffer, now: worker.now) ?? 0
  }

  override func endStreams(_ failure: BenchFailure) { codec?.terminate() }

  // MARK: Codec events

  func codecNeedsFlush() { setNeedsFlush() }

  func codecDidReceive(_ head: RequestHead, on stream: HTTPStream, endStream: Bool) {}

  func codecDidChangeCapacity() { if hasRoom { owner.connectionHasRoom(self) } }

  func codecWantsClose(_ reason: CodecClose) { close() }
}

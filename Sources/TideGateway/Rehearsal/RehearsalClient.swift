import TideCore
import TideDialects
import TideTelemetry

/// A client without a socket: sends one request on a stream of its own and keeps what comes back.
final class RehearsalClient: StreamCarrier {
  let request: RehearsalRequest
  private(set) var stream: HTTPStream!
  /// Set once the gateway has taken the request.
  var exchangeID = ""
  private(set) var status = 0
  private(set) var headers = HeaderList()
  private(set) var received: [UInt8] = []
  /// The gateway abandoned the stream: what was received is not whole.
  private(set) var wasReset = false
  private(set) var hasLeft = false
  /// How the gateway booked the exchange.
  var record: AccessRecord?
  /// What each attempt was asked, and how the upstream's side of it ended.
  var attempts: [RehearsalAttempt] = []
  /// Calls of `tide.http` that policies made for it, with the status of the answer.
  var calls: [(call: RehearsalCall, status: Int)] = []
  /// Those that its request has no answer for.
  var unexpectedCalls: [RehearsalCall] = []
  private var isRequestSent = false
  private var framer = SSEFramer()
  private var eventCount = 0

  init(_ request: RehearsalRequest) {
    self.request = request
    super.init()
    stream = HTTPStream(id: 1, carrier: self)
  }

  /// Whether nothing more will come, and the gateway has said how it ended.
  var isOver: Bool { stream.carrier == nil && (record != nil || exchangeID.isEmpty) }

  /// Does the next thing a client would; false when there is nothing to do. Inside a turn.
  func act() -> Bool {
    guard stream.carrier != nil else { return false }
    if !isRequestSent {
      isRequestSent = true
      request.body.withUnsafeBytes { bytes in
        guard !bytes.isEmpty else { return }
        stream.unreturnedCredit += bytes.count
        stream.consumer?.streamBody(stream, bytes)
      }
      stream.consumer?.streamEnd(stream, trailers: nil)
      if request.leaveAfterEvents == 0 { leave() }
      return true
    }
    return take()
  }

  /// Closes its end, as a client that lost interest does. Inside a turn.
  func leave() {
    guard stream.carrier != nil else { return }
    hasLeft = true
    let consumer = stream.consumer
    stream.consumer = nil
    stream.carrier = nil
    consumer?.streamReset(stream, .peerGone)
  }

  private func take() -> Bool {
    let count = stream.output.byteCount
    if count > 0 {
      received += stream.output.readableBytes
      stream.output.consume(count)
      countEvents(count)
      stream.consumer?.streamTaken(stream, byteCount: count)
      if let limit = request.leaveAfterEvents, eventCount >= limit {
        leave()
        return true
      }
    }
    guard stream.carrier != nil, stream.outputEnd != .open, stream.output.isEmpty else { return count > 0 }
    let consumer = stream.consumer
    stream.consumer = nil
    stream.carrier = nil
    consumer?.streamClosed(stream)
    return true
  }

  private func countEvents(_ count: Int) {
    guard request.leaveAfterEvents != nil else { return }
    received.withUnsafeBytes { bytes in
      var rest = UnsafeRawBufferPointer(rebasing: bytes.suffix(count))
      while case .event(let event) = framer.next(&rest) {
        if !event.data.isEmpty { eventCount += 1 }
      }
    }
  }

  // MARK: The gateway's side of the stream

  override func send(_ head: ResponseHead, endStream: Bool, on stream: HTTPStream) {
    guard head.status >= 200 else { return }
    status = head.status
    headers = head.headers
    stream.isHeadSent = true
  }

  override func reset(_ stream: HTTPStream, _ reason: StreamReset) {
    wasReset = true
    stream.carrier = nil
    stream.output.removeAll()
  }
}

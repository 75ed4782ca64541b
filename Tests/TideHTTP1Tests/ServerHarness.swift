import TideCore

@testable import TideHTTP1

/// The bytes of a test vector: each scalar below 256 is one byte.
func latin1(_ text: String) -> [UInt8] { text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) } }

func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

/// Records what a consumer is told, and answers if asked to.
final class RecordingConsumer: StreamConsumer {
  var events: [String] = []
  var body: [UInt8] = []
  var takenByteCount = 0
  var returnsCredit = true
  var onBody: ((HTTPStream) -> Void)?
  var onEnd: ((HTTPStream) -> Void)?
  var onTaken: ((HTTPStream) -> Void)?
  var onClosed: ((HTTPStream) -> Void)?
  var onHead: ((HTTPStream, ResponseHead) -> Void)?
  var heads: [ResponseHead] = []

  override func streamHead(_ stream: HTTPStream, _ head: ResponseHead, isInterim: Bool) {
    heads.append(head)
    events.append("\(isInterim ? "interim" : "head") \(head.status)")
    onHead?(stream, head)
  }
  override func streamBody(_ stream: HTTPStream, _ bytes: UnsafeRawBufferPointer) {
    body.append(contentsOf: bytes)
    if returnsCredit { stream.returnCredit(bytes.count) }
    onBody?(stream)
  }
  override func streamEnd(_ stream: HTTPStream, trailers: HeaderList?) {
    events.append("end")
    onEnd?(stream)
  }
  override func streamReset(_ stream: HTTPStream, _ reason: StreamReset) { events.append("reset \(reason)") }
  override func streamTaken(_ stream: HTTPStream, byteCount: Int) {
    takenByteCount += byteCount
    onTaken?(stream)
  }
  override func streamClosed(_ stream: HTTPStream) {
    events.append("closed")
    onClosed?(stream)
  }
}

/// A server codec without a socket: bytes in, requests and bytes out, a clock that the test moves.
final class ServerHarness: CodecOwner {
  struct Request {
    let head: RequestHead
    let stream: HTTPStream
    let consumer: RecordingConsumer
    let endStream: Bool
  }

  private(set) var codec: HTTP1ServerCodec!
  var now = MonotonicTime(nanoseconds: 1_000_000_000)
  var requests: [Request] = []
  var output: [UInt8] = []
  var close: CodecClose?
  var needsFlush = false
  /// What to do with a request inside `codecDidReceive`; by default it is answered once it has ended.
  var onRequest: ((Request) -> Void)?
  var bufferSize = 4096

  init(settings: HTTP1Settings = HTTP1Settings()) {
    codec = HTTP1ServerCodec(settings: settings, owner: self, now: now)
  }

  func codecNeedsFlush() { needsFlush = true }
  func codecDidChangeCapacity() {}
  func codecWantsClose(_ reason: CodecClose) {
    precondition(close == nil, "closed twice")
    close = reason
  }

  func codecDidReceive(_ head: RequestHead, on stream: HTTPStream, endStream: Bool) {
    let consumer = RecordingConsumer()
    stream.consumer = consumer
    let request = Request(head: head, stream: stream, consumer: consumer, endStream: endStream)
    requests.append(request)
    if let onRequest { return onRequest(request) }
    consumer.onEnd = { [unowned consumer] stream in Self.answer(stream, head, consumer.body) }
  }

  static func answer(_ stream: HTTPStream, _ head: RequestHead, _ body: [UInt8]) {
    let reply = Array("\(head.method) \(head.path) \(text(body))".utf8)
    stream.send(ResponseHead(status: 200, contentLength: reply.count), endStream: false)
    stream.output.append(reply)
    stream.end()
  }

  func feed(_ bytes: [UInt8]) {
    if close != nil { return }
    bytes.withUnsafeBytes { codec.receive($0, now: now) }
    flush()
  }

  func feed(_ text: String) { feed(latin1(text)) }

  func flush() {
    needsFlush = false
    var buffer = [UInt8](repeating: 0, count: bufferSize)
    while true {
      let count = buffer.withUnsafeMutableBytes { codec.produce(into: $0, now: now) }
      if count == 0 { break }
      output.append(contentsOf: buffer[0..<count])
    }
  }

  func advance(ms: Int) {
    now = now.advanced(byMs: ms)
    if codec.nextDeadline <= now { codec.deadlineReached(now: now) }
    flush()
  }

  /// The status codes of the responses so far.
  var statuses: [Int] {
    text(output).split(separator: "HTTP/1.1 ", omittingEmptySubsequences: false).dropFirst().compactMap {
      Int($0.prefix(3))
    }
  }

  /// All that an observer can tell, for comparisons between splits.
  var transcript: String {
    var lines = requests.map { request in
      "\(request.head.method) \(request.head.scheme) \(request.head.authority) \(request.head.path) "
        + "\(request.head.contentLength.map(String.init) ?? "-") "
        + (0..<request.head.headers.count).map {
          request.head.headers.name(at: $0) + "=" + request.head.headers.value(at: $0)
        }
        .joined(separator: ";")
        + " | \(text(request.consumer.body)) | \(request.consumer.events.joined(separator: ","))"
    }
    lines.append(text(output))
    lines.append("\(close.map { "\($0)" } ?? "open")")
    return lines.joined(separator: "\n")
  }

  static func run(_ pieces: [ArraySlice<UInt8>], settings: HTTP1Settings = HTTP1Settings()) -> ServerHarness {
    let harness = ServerHarness(settings: settings)
    for piece in pieces { harness.feed(Array(piece)) }
    return harness
  }
}

/// Every way to deliver `bytes` that the tests try: whole, byte by byte, and at each two-way split.
func splits(_ bytes: [UInt8]) -> [[ArraySlice<UInt8>]] {
  var result = [[bytes[...]], bytes.indices.map { bytes[$0...$0] }]
  // Long vectors are split at a sample of places: the quadratic cost buys nothing there.
  let step = max(1, bytes.count / 200)
  for place in stride(from: 1, to: max(1, bytes.count), by: step) { result.append([bytes[..<place], bytes[place...]]) }
  return result
}

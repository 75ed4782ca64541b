import TideCore
import TideHTTP2

/// One end of a connection without a socket: an owner, its session, and what the session told it.
final class Side: CodecOwner {
  struct Request {
    var head: RequestHead
    var stream: HTTPStream
    var consumer: Recorder
    var hadEnd: Bool
  }

  var session: HTTP2Session!
  var now = MonotonicTime(nanoseconds: 1_000_000_000)
  var requests: [Request] = []
  var closes: [CodecClose] = []
  var capacityChanges = 0
  var onRequest: ((Request) -> Void)?
  /// A session that has something to say says that it has.
  private var needsFlush = false

  init(_ role: HTTP2Role, adjust: (inout HTTP2Settings) -> Void = { _ in }) {
    var settings = HTTP2Settings(role: role)
    adjust(&settings)
    session = HTTP2Session(role: role, settings: settings, owner: self, now: now)
  }

  /// A server that has exchanged SETTINGS with a peer made of bytes.
  static func greetedServer(
    settings: [(UInt16, UInt32)] = [], adjust: (inout HTTP2Settings) -> Void = { _ in }
  ) -> Side {
    let side = Side(.server, adjust: adjust)
    side.feed(Frame.preface + Frame.settings(settings).bytes + Frame.settings(ack: true).bytes)
    _ = side.output()
    return side
  }

  func codecNeedsFlush() { needsFlush = true }
  func codecWantsClose(_ reason: CodecClose) { closes.append(reason) }
  func codecDidChangeCapacity() { capacityChanges += 1 }

  func codecDidReceive(_ head: RequestHead, on stream: HTTPStream, endStream: Bool) {
    let consumer = Recorder()
    stream.consumer = consumer
    let request = Request(head: head, stream: stream, consumer: consumer, hadEnd: endStream)
    requests.append(request)
    onRequest?(request)
  }

  func feed(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { session.receive($0, now: now) }
  }

  func feed(_ frames: [Frame]) { feed(frames.flatMap(\.bytes)) }

  /// Everything that the session has to say now.
  func output(bufferByteCount: Int = 65_536) -> [UInt8] {
    var all: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: bufferByteCount)
    while needsFlush || !session.isDrained {
      needsFlush = false
      let count = buffer.withUnsafeMutableBytes { session.produce(into: $0, now: now) }
      if count == 0, !needsFlush { break }
      all += buffer[..<count]
    }
    return all
  }

  /// What goes into one buffer.
  func outputOnce(bufferByteCount: Int) -> [UInt8] {
    needsFlush = false
    var buffer = [UInt8](repeating: 0, count: bufferByteCount)
    let count = buffer.withUnsafeMutableBytes { session.produce(into: $0, now: now) }
    return Array(buffer[..<count])
  }

  func frames() -> [Frame] { Frame.parse(output()) }

  func advance(ms: Int) {
    let target = now.advanced(byMs: ms)
    while session.nextDeadline <= target {
      now = max(now, session.nextDeadline)
      session.deadlineReached(now: now)
    }
    now = target
  }
}

/// Two ends, and bytes carried between them in pieces of a size.
struct Pipe {
  let client: Side
  let server: Side
  var pieceByteCount: Int

  init(
    pieceByteCount: Int = .max, client adjustClient: (inout HTTP2Settings) -> Void = { _ in },
    server adjustServer: (inout HTTP2Settings) -> Void = { _ in }
  ) {
    client = Side(.client, adjust: adjustClient)
    server = Side(.server, adjust: adjustServer)
    self.pieceByteCount = pieceByteCount
  }

  /// Carries bytes both ways until both are silent.
  func run() {
    while true {
      let up = client.output()
      carry(up, to: server)
      let down = server.output()
      carry(down, to: client)
      if up.isEmpty && down.isEmpty { return }
    }
  }

  func carry(_ bytes: [UInt8], to side: Side) {
    var at = 0
    while at < bytes.count {
      let end = min(
        bytes.count, at.addingReportingOverflow(pieceByteCount).overflow ? bytes.count : at + pieceByteCount)
      side.feed(Array(bytes[at..<end]))
      at = end
    }
  }

  func open(
    _ method: String = "POST", headers: HeaderList = HeaderList(), end: Bool = false, consumer: Recorder = Recorder()
  ) -> (HTTPStream, Recorder)? {
    let head = RequestHead(method: method, authority: "engine.test", path: "/v1/chat", headers: headers)
    return client.session.open(head, endStream: end, consumer: consumer, now: client.now).map { ($0, consumer) }
  }
}

import TideCore
import TideHTTP
import TideIO

/// An endpoint of HTTP/1.1 and HTTP/2 whose answers are pieces of bytes, sent all at once or one by one as a test asks.
final class CodedUpstream: HTTPRequestHandler, @unchecked Sendable {
  struct Answer {
    var status = 200
    var type = "text/event-stream"
    /// `content-encoding`; nil for none.
    var encoding: String?
    var pieces: [[UInt8]]
    /// Whether the stream is reset behind the last piece, or ends.
    var isReset = false
    /// Pieces that go out without being asked for.
    var free = Int.max
  }

  struct Request {
    var head: RequestHead
    var body: [UInt8]
  }

  private final class Responder: StreamConsumer {
    let upstream: CodedUpstream
    let head: RequestHead
    var body: [UInt8] = []
    var next = 0

    init(_ upstream: CodedUpstream, _ head: RequestHead) {
      self.upstream = upstream
      self.head = head
    }

    override func streamBody(_ stream: HTTPStream, _ bytes: UnsafeRawBufferPointer) {
      body.append(contentsOf: bytes)
      stream.returnCredit(bytes.count)
    }

    override func streamEnd(_ stream: HTTPStream, trailers: HeaderList?) {
      upstream.requests.change { $0.append(Request(head: head, body: body)) }
      let answer = upstream.answer
      var headers = HeaderList([("content-type", answer.type)])
      if let encoding = answer.encoding { headers.append("content-encoding", encoding) }
      stream.send(ResponseHead(status: answer.status, headers: headers), endStream: false)
      send(on: stream, upTo: answer.free)
    }

    /// Sends the pieces before `limit`, and the end behind the last.
    func send(on stream: HTTPStream, upTo limit: Int) {
      let answer = upstream.answer
      while next < min(limit, answer.pieces.count) {
        stream.output.append(answer.pieces[next])
        next += 1
      }
      guard next == answer.pieces.count else { return stream.outputChanged() }
      if !answer.isReset { return stream.end() }
      stream.outputChanged()
      resetsWhenTaken = true
      if stream.output.isEmpty { stream.reset(.internalError) }
    }

    private var resetsWhenTaken = false

    override func streamTaken(_ stream: HTTPStream, byteCount: Int) {
      if resetsWhenTaken, stream.output.isEmpty { stream.reset(.internalError) }
    }

    override func streamClosed(_ stream: HTTPStream) { upstream.latest = nil }
    override func streamReset(_ stream: HTTPStream, _ reason: StreamReset) { upstream.latest = nil }
  }

  let requests = Watched<[Request]>([])
  private(set) var address: SocketAddress!
  private let io = Worker(index: 80)
  private var server: HTTPServer!
  private var latest: (responder: Responder, stream: HTTPStream)?
  private var answer: Answer

  init(_ answer: Answer) {
    self.answer = answer
    server = try! HTTPServer(worker: io, name: "coded", address: SocketAddress("127.0.0.1:0")!, handler: self)
    address = server.address
    io.start()
  }

  func serve(_ head: RequestHead, on stream: HTTPStream, of connection: HTTPServerConnection, endStream: Bool) {
    let responder = Responder(self, head)
    stream.consumer = responder
    latest = (responder, stream)
  }

  /// What the next requests get.
  func set(_ answer: Answer) { io.perform { [self] _ in self.answer = answer } }

  /// Lets the latest request have all pieces before `limit`.
  func send(upTo limit: Int) {
    io.perform { [self] _ in
      if let latest { latest.responder.send(on: latest.stream, upTo: limit) }
    }
  }

  func stop() {
    io.stop()
    io.join()
  }
}

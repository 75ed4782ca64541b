import TideCore
import TidePolicy

/// One request of a rehearsal, as bytes, with what the upstream is to answer and when the client goes.
struct RehearsalRequest {
  var method = "POST"
  var path = "/v1/chat/completions"
  var headers = HeaderList()
  var body: [UInt8] = []
  var clientAddress = "192.0.2.1"
  /// Who the client is, known before any policy looks.
  var identity: Identity?
  /// What each attempt gets; a further attempt gets the last again.
  var replies: [UpstreamPlay] = []
  /// What a call of `tide.http` gets, with the answer's status; nil when it is none of this request's.
  var answerCall: (RehearsalCall) -> (status: Int, play: UpstreamPlay)? = { _ in nil }
  /// The client goes once it has this many events; 0: as soon as its request is sent.
  var leaveAfterEvents: Int?
}

/// One attempt of an exchange, seen from the upstream.
struct RehearsalAttempt {
  var cluster: String
  var authority: String
  var head: RequestHead?
  var body: [UInt8] = []
  /// Whether the gateway reset the stream before the reply had ended.
  var wasReset = false
}

/// A call of `tide.http`, seen from the other side.
struct RehearsalCall {
  var method: String
  /// `cluster://<name>/<path>` for the call of a cluster.
  var url: String
  var headers: HeaderList
  var body: [UInt8]

  init(_ attempt: RehearsalAttempt) {
    let head = attempt.head ?? RequestHead(method: "", path: "")
    method = head.method
    url =
      attempt.cluster.isEmpty
      ? "\(head.scheme)://\(head.authority)\(head.path)" : "cluster://\(attempt.cluster)\(head.path)"
    headers = head.headers
    body = attempt.body
  }

  /// As a test sees it.
  var value: PolicyValue {
    .map([
      PolicyValue.Entry("method", .string(method)), PolicyValue.Entry("url", .string(url)),
      PolicyValue.Entry("headers", .map(headers.pairs.map { PolicyValue.Entry($0.name, .string($0.value)) })),
      PolicyValue.Entry("body", .string(String(decoding: body, as: UTF8.self))),
      PolicyValue.Entry("json", PolicyValue(json: body) ?? .null),
    ])
  }
}

/// What an upstream does with one request, step by step; each step comes in a turn of its own.
struct UpstreamPlay {
  enum Step {
    case head(ResponseHead)
    case bytes([UInt8])
    case wait(ms: Int)
    /// The connection breaks.
    case reset
    case end
  }

  /// The endpoint cannot be reached at all.
  var refusesConnection = false
  /// After the last one nothing more comes: without `.end` the upstream is silent.
  var steps: [Step] = []
}

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

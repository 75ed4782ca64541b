import TideCore
import TidePolicy

/// What an upstream answers, in no dialect yet.
struct UpstreamReply {
  /// A part of the text and the silence before it.
  struct Chunk {
    var text: [UInt8]
    var waitMs = 0
  }

  struct ToolCall: Equatable {
    var id: String
    var name: String
    /// JSON as text.
    var arguments: String
  }

  struct Usage: Equatable {
    var input = 11
    var output = 7
    var cached = 0
  }

  enum Failure: String, CaseIterable {
    /// No connection can be made.
    case connect
    /// The request is taken and never answered.
    case timeout
    /// The connection breaks before the answer's head.
    case reset
    /// The connection breaks behind the answer's text.
    case truncated
  }

  var status = 200
  var headers: [(String, String)] = []
  var chunks: [Chunk] = []
  var reasoning = ""
  var toolCalls: [ToolCall] = []
  /// In OpenAI's words; nil is `tool_calls` or `stop`.
  var finish: String?
  var usage = Usage()
  var failure: Failure?
  /// The silence before anything comes.
  var waitMs = 0
  /// Of a status from 400 on.
  var error = (message: "The upstream refuses.", type: "", code: "")
  /// Nothing says of what type the body is, unless `headers` does.
  var isUntyped = false
  /// The body as it is, in place of all else.
  var body: [UInt8]?

  var text: [UInt8] { chunks.flatMap(\.text) }
  var finishReason: String { finish ?? (toolCalls.isEmpty ? "stop" : "tool_calls") }
}

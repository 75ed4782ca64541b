import TideCore
import TideDialects
import TidePolicy

/// An answer as a client of its dialect puts it together, and every breach of the dialect's grammar on the way.
struct ReceivedAnswer {
  struct ToolCall: Equatable {
    var id = ""
    var name = ""
    /// JSON as text.
    var arguments = ""
  }

  struct Choice {
    var text = ""
    var reasoning = ""
    var refusal = ""
    /// In OpenAI's words.
    var finish: String?
    var toolCalls: [ToolCall] = []
  }

  struct Usage: Equatable {
    var input = 0
    var output = 0
    var cached = 0
  }

  struct Failure: Equatable {
    var message = ""
    var type = ""
    var code = ""
  }

  var choices: [Choice] = [Choice()]
  var usage: Usage?
  /// What the error of a response or of a stream says.
  var error: Failure?
  /// The body, where it is one JSON value.
  var json: PolicyValue?
  /// The stream's terminal marker came.
  var isTerminated = false
  /// Events with data.
  var eventCount = 0
  /// What no client should see.
  var breaches: [String] = []

  var text: String { choices.first?.text ?? "" }

  mutating func breach(_ what: String) {
    if breaches.count < 20 { breaches.append(what) }
  }

  mutating func withChoice(_ index: Int, _ change: (inout Choice) -> Void) {
    guard (0..<64).contains(index) else { return breach("a choice with the index \(index)") }
    while choices.count <= index { choices.append(Choice()) }
    change(&choices[index])
  }

  /// Reads what a client received.
  ///
  /// - Parameter isWhole: the gateway ended the answer, neither side broke it off.
  init(_ bytes: [UInt8], dialect: Dialect, status: Int, contentType: String, isWhole: Bool) {
    guard contentType.hasPrefix("text/event-stream") else {
      json = PolicyValue(json: bytes)
      guard let json else {
        if isWhole, !bytes.isEmpty, contentType.hasPrefix("application/json") { breach("the body is not JSON") }
        return
      }
      if status >= 400 {
        readError(json)
      } else {
        isTerminated = true
        switch dialect {
        case .openAI: readChat(json)
        case .responses: readResponse(json)
        case .anthropic: readMessage(json)
        }
        checkToolCalls()
      }
      return
    }
    readStream(bytes, dialect)
    if isWhole, !isTerminated, error == nil {
      breach("the stream ends without its terminal event and without an error")
    }
    if isTerminated, error != nil { breach("the stream has both an error and a terminal event") }
    if isTerminated { checkToolCalls() }
  }

  private mutating func readStream(_ bytes: [UInt8], _ dialect: Dialect) {
    var framer = SSEFramer()
    var messages = MessagesProgress()
    var responses = ResponsesProgress()
    var chat = ChatProgress()
    bytes.withUnsafeBytes { whole in
      var rest = whole
      while true {
        guard case .event(let event) = framer.next(&rest) else { return }
        if event.isComment || event.data.isEmpty { continue }
        eventCount += 1
        let name = String(decoding: event.name, as: UTF8.self)
        // Responses says twice that it failed: to those who look for errors and to those who look for the end.
        let isSecondWord = name == "response.failed" && dialect == .responses && !isTerminated
        if isTerminated || error != nil && !isSecondWord { breach("an event follows the end") }
        let isMarker = event.data.elementsEqual("[DONE]".utf8)
        if isMarker, dialect == .openAI {
          chat.end(&self)
          isTerminated = true
          continue
        }
        guard let json = PolicyValue(json: event.data) else {
          breach("an event is not JSON: \(String(decoding: event.data.prefix(80), as: UTF8.self))")
          continue
        }
        switch dialect {
        case .openAI: chat.read(json, &self)
        case .responses: responses.read(json, name, &self)
        case .anthropic: messages.read(json, name, &self)
        }
      }
    }
  }

  private mutating func checkToolCalls() {
    for call in choices.flatMap(\.toolCalls) {
      if call.name.isEmpty { breach("a tool call has no name") }
      if !call.arguments.isEmpty, PolicyValue(json: Array(call.arguments.utf8)) == nil {
        breach("the arguments of the tool call \(call.name) are not JSON: \(call.arguments.prefix(80))")
      }
    }
  }

  mutating func readError(_ json: PolicyValue) {
    let told = json["error"] ?? json
    var failure = Failure()
    failure.message = told["message"]?.text ?? told.text ?? ""
    failure.type = told["type"]?.text ?? ""
    failure.code = told["code"]?.text ?? ""
    error = failure
  }
}

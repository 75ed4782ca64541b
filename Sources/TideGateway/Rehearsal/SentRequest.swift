import TideCore
import TideDialects
import TidePolicy

/// What the gateway sent to an upstream, read back from its bytes.
struct SentRequest {
  var path: String
  var headers: HeaderList
  var bytes: [UInt8]
  /// Nothing when the body is not JSON.
  var body: PolicyValue

  init(_ attempt: RehearsalAttempt) {
    path = attempt.head?.path ?? ""
    headers = attempt.head?.headers ?? HeaderList()
    bytes = attempt.body
    body = PolicyValue(json: attempt.body) ?? .null
  }

  var model: String { body["model"]?.text ?? "" }

  /// System prompt, input and messages as one list of `role` and `content`, texts joined.
  var messages: [(role: String, content: String)] {
    var result: [(String, String)] = []
    if let system = body["system"] ?? body["instructions"], system != .null {
      result.append(("system", Self.text(of: system)))
    }
    if let input = body["input"]?.text { result.append(("user", input)) }
    for message in body["messages"]?.elements ?? body["input"]?.elements ?? [] {
      guard let role = message["role"]?.text else { continue }
      result.append((role, Self.text(of: message["content"])))
    }
    return result
  }

  /// The last thing that the user said.
  var text: String { messages.last { $0.role == "user" }?.content ?? "" }

  /// A message's text: a string, or the texts of its parts.
  static func text(of content: PolicyValue?) -> String {
    guard let content else { return "" }
    if let text = content.text { return text }
    return (content.elements ?? []).compactMap { $0["text"]?.text }.joined()
  }

  /// As a test sees it.
  var value: PolicyValue {
    var fields = headers.pairs
    fields.removeAll { $0.name == "x-request-id" }
    return .map([
      PolicyValue.Entry("path", .string(path)),
      PolicyValue.Entry("model", .string(model)),
      PolicyValue.Entry("text", .string(text)),
      PolicyValue.Entry(
        "messages",
        .array(
          messages.map {
            .map([PolicyValue.Entry("role", .string($0.role)), PolicyValue.Entry("content", .string($0.content))])
          })),
      PolicyValue.Entry("headers", .map(fields.map { PolicyValue.Entry($0.name, .string($0.value)) })),
      PolicyValue.Entry("body", body),
      PolicyValue.Entry("raw", .string(String(decoding: bytes, as: UTF8.self))),
    ])
  }
}

extension HeaderList {
  /// Names and values in order; for cold paths.
  var pairs: [(name: String, value: String)] { (0..<count).map { (name(at: $0), value(at: $0)) } }
}

import CodingFixtures
import TideCore
import TideDialects
import TideHTTP

@testable import TideGateway

/// A gateway whose upstream compresses, and what it is asked.
final class CodedCase {
  /// Edits the text, so that its result shows that it was read.
  static let edits = [
    "p": "return { filters = { tide.filter.replace { words = { colour = 'color' }, whole_word = true } } }"
  ]
  static let text = "The colour of the sea is a colour that has no name, and colours are not it."
  static let edited = "The color of the sea is a color that has no name, and colours are not it."

  let upstream: CodedUpstream
  let gateway: GatewayHarness

  /// - Parameters:
  ///   - policies: sources of the policies to be bound, each under its name.
  ///   - url: what each of them gets as `cfg.url`.
  init(
    _ answer: CodedUpstream.Answer, policies: [String: String] = CodedCase.edits, url: String? = nil,
    limits: String = "",
    upstream version: String = "h2c", client: HTTPVersionChoice = .http2
  ) throws {
    upstream = CodedUpstream(answer)
    let config = url.map { ", config: { url: \"\($0)\" }" } ?? ""
    let bindings = policies.keys.sorted().map { "{ use: \($0)\(config) }" }.joined(separator: ", ")
    gateway = try GatewayHarness(
      """
      clusters: [ { name: coded, endpoints: [ { url: "http://\(upstream.address!)", protocol: \(version) } ], dialect: [openai, anthropic] } ]
      models: [ { id: "*", cluster: coded } ]
      routes: [ { name: default, cluster: by-model } ]
      policies: [ \(bindings) ]
      \(limits)
      """, policies: policies, client: client, auto: false)
  }

  static func path(_ dialect: Dialect) -> String {
    switch dialect {
    case .openAI: "/v1/chat/completions"
    case .responses: "/v1/responses"
    case .anthropic: "/v1/messages"
    }
  }

  static func request(_ dialect: Dialect, stream: Bool) -> [UInt8] {
    let prompt = dialect == .responses ? #""input":"hi""# : #""messages":[{"role":"user","content":"hi"}]"#
    return Array(#"{"model":"m","max_tokens":99,"stream":\#(stream),\#(prompt)}"#.utf8)
  }

  /// The answer of a provider: events, or one body.
  static func pieces(_ dialect: Dialect, stream: Bool, text: String = CodedCase.text) -> [[UInt8]] {
    let answer = ChatAnswer(
      text: text, usage: TokenUsage(prompt: 11, completion: 7), id: "id", model: "m", created: 1)
    var out = ByteQueue()
    guard stream else {
      answer.writeBody(dialect, into: &out)
      return [Array(out.readableBytes)]
    }
    answer.writeStream(dialect, includeUsage: true, into: &out)
    return String(decoding: out.readableBytes, as: UTF8.self).split(separator: "\n\n").map { Array(($0 + "\n\n").utf8) }
  }

  static func answer(_ form: Encoded, _ dialect: Dialect = .openAI, stream: Bool = true) -> CodedUpstream.Answer {
    CodedUpstream.Answer(
      type: stream ? "text/event-stream" : "application/json", encoding: form.coding.rawValue,
      pieces: form.encode(pieces(dialect, stream: stream)))
  }

  func ask(
    _ dialect: Dialect = .openAI, stream: Bool = true, headers: [(String, String)] = [], on call: Call = Call()
  ) -> Call {
    gateway.client.send(
      "POST", Self.path(dialect), headers: [("content-type", "application/json")] + headers,
      body: Self.request(dialect, stream: stream), on: call)
  }

  /// Ends both sides; the lines of the access log.
  @discardableResult
  func stop() -> [String] {
    let lines = gateway.stop()
    upstream.stop()
    return lines
  }
}

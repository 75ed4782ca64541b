import TideCore
import TideDialects
import TidePolicy

/// One request of a rehearsal before it is written in a dialect: what a test says of it.
struct ChatCase {
  /// Each with `role` and `content`.
  var messages: [PolicyValue] = []
  var model = "test-model"
  var headers: [(String, String)] = []
  var identity: Identity?
  var clientAddress = "192.0.2.1"
  var dialect = Dialect.openAI
  var isStreamed = true
  var choices = 1
  /// As Chat Completions writes them.
  var tools: [PolicyValue] = []
  /// Other members of the body, as the dialect calls them.
  var parameters: [PolicyValue.Entry] = []
  var replies: [UpstreamReply] = []
  /// What calls of `tide.http` get.
  var mocks: [CallMock] = []
  var leavesAfter: Int?
  /// A request that is no chat: its own path and body.
  var plain: (method: String, path: String, body: [UInt8])?

  /// How the case itself travels.
  var delivery: Delivery {
    var delivery = Delivery(dialect: dialect, isStreamed: isStreamed)
    delivery.choices = choices
    delivery.leavesAfter = leavesAfter
    return delivery
  }

  /// The request, and what its upstreams will do, in one way of travelling.
  func request(_ delivery: Delivery) -> RehearsalRequest {
    var request = RehearsalRequest()
    request.clientAddress = clientAddress
    request.identity = identity
    request.leaveAfterEvents = delivery.leavesAfter
    request.headers = HeaderList([("content-type", "application/json"), ("user-agent", "tidegate-policy-test")])
    for (name, value) in headers { request.headers.set(name.lowercased(), value) }
    request.answerCall = { [mocks] call in mocks.lazy.compactMap { $0.answer(call) }.first }
    request.replies = replies.map { UpstreamTranscript.play($0, delivery, model: model) }
    if let plain {
      request.method = plain.method
      request.path = plain.path
      request.body = plain.body
      return request
    }
    switch delivery.dialect {
    case .openAI:
      request.path = "/v1/chat/completions"
      request.body = body(delivery, chatMembers(delivery))
    case .responses:
      request.path = "/v1/responses"
      request.body = body(delivery, responsesMembers())
    case .anthropic:
      request.path = "/v1/messages"
      request.headers.set("anthropic-version", "2023-06-01")
      request.body = body(delivery, messagesMembers())
    }
    return request
  }

  // MARK: Bodies

  private func body(_ delivery: Delivery, _ members: [String]) -> [UInt8] {
    var all = ["\"model\":" + UpstreamTranscript.quote(model)] + members
    all += parameters.map { UpstreamTranscript.quote($0.key) + ":" + $0.value.json(emptyIsMap: true) }
    if delivery.isStreamed { all.append("\"stream\":true") }
    return Array(("{" + all.joined(separator: ",") + "}").utf8)
  }

  private func list(_ values: [PolicyValue]) -> String {
    "[" + values.map { $0.json(emptyIsMap: true) }.joined(separator: ",") + "]"
  }

  private func chatMembers(_ delivery: Delivery) -> [String] {
    var members = ["\"messages\":" + list(messages)]
    if !tools.isEmpty { members.append("\"tools\":" + list(tools)) }
    if delivery.choices > 1 { members.append("\"n\":\(delivery.choices)") }
    if delivery.isStreamed { members.append("\"stream_options\":{\"include_usage\":true}") }
    return members
  }

  private func responsesMembers() -> [String] {
    var members = ["\"input\":" + list(messages.filter { $0["role"]?.text != "system" })]
    if let system { members.append("\"instructions\":" + UpstreamTranscript.quote(system)) }
    if !tools.isEmpty {
      let flat = tools.map { tool -> PolicyValue in
        .map([PolicyValue.Entry("type", .string("function"))] + (tool["function"]?.entries ?? []))
      }
      members.append("\"tools\":" + list(flat))
    }
    return members
  }

  private func messagesMembers() -> [String] {
    var members = ["\"messages\":" + list(messages.filter { $0["role"]?.text != "system" })]
    if !parameters.contains(where: { $0.key == "max_tokens" }) { members.append("\"max_tokens\":1024") }
    if let system { members.append("\"system\":" + UpstreamTranscript.quote(system)) }
    if !tools.isEmpty {
      let own = tools.map { tool -> PolicyValue in
        let function = tool["function"] ?? .null
        return .map([
          PolicyValue.Entry("name", function["name"] ?? .string("")),
          PolicyValue.Entry("description", function["description"] ?? .string("")),
          PolicyValue.Entry("input_schema", function["parameters"] ?? .map([])),
        ])
      }
      members.append("\"tools\":" + list(own))
    }
    return members
  }

  /// The system messages, joined: the dialects other than Chat Completions keep them apart.
  private var system: String? {
    let texts = messages.filter { $0["role"]?.text == "system" }.map { SentRequest.text(of: $0["content"]) }
    return texts.isEmpty ? nil : texts.joined(separator: "\n")
  }
}

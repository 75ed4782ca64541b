import TideCore
import TideDialects
import TideLua
import TidePolicy

/// Reading what `g:chat { ... }` is given.
extension ChatCase {
  static let keys = [
    "text", "messages", "system", "model", "headers", "auth", "ip", "stream", "tools", "dialect", "n", "params",
    "upstream", "http", "leave_after", "method", "path", "body", "json",
  ]

  /// - Parameter call: calls a function of the test with a request of `tide.http`.
  init(
    _ value: LuaValue, call: @escaping (LuaFunction, RehearsalCall) -> UpstreamReply
  ) throws(TestProblem) {
    let table = try TestTable(value, "chat", allowed: Self.keys)
    if let system = try table.text("system") { messages.append(Self.message("system", system)) }
    for message in try table.list("messages") ?? [] { messages.append(try Self.message(message)) }
    if let text = try table.text("text") { messages.append(Self.message("user", text)) }
    if messages.isEmpty { messages = [Self.message("user", "hello")] }
    if let model = try table.text("model") { self.model = model }
    for (name, value) in try table.map("headers") ?? [] { headers.append((name, value.text ?? "")) }
    try readAuth(table)
    if let ip = try table.text("ip") { clientAddress = ip }
    if let stream = try table.boolean("stream") { isStreamed = stream }
    if let name = try table.text("dialect") {
      guard let dialect = Dialect.allCases.first(where: { $0.name == name }) else {
        throw TestProblem(
          "chat: unknown dialect '\(name)' (one of \(Dialect.allCases.map(\.name).joined(separator: ", ")))")
      }
      self.dialect = dialect
    }
    if let count = try table.integer("n") {
      guard (1...16).contains(count) else { throw TestProblem("chat: 'n' must lie between 1 and 16") }
      guard count == 1 || dialect == .openAI else { throw TestProblem("chat: only the dialect openai has 'n'") }
      choices = count
    }
    tools = try (table.list("tools") ?? []).map(Self.tool)
    for (name, value) in try table.map("params") ?? [] {
      parameters.append(PolicyValue.Entry(name, PolicyValue(value)))
    }
    leavesAfter = try table.integer("leave_after")
    replies = try Self.replies(table)
    try readPlain(table)
    for (key, value) in try table.map("http") ?? [] { mocks.append(try Self.mock(key, value, call)) }
  }

  private static func mock(
    _ key: String, _ value: LuaValue, _ call: @escaping (LuaFunction, RehearsalCall) -> UpstreamReply
  ) throws(TestProblem) -> CallMock {
    let parts = key.split(separator: " ", maxSplits: 1)
    guard let url = parts.last, url.contains("://") else {
      throw TestProblem("chat: a key of 'http' is a method and a URL, such as 'POST https://host/path'; not '\(key)'")
    }
    let method = parts.count > 1 ? String(parts[0]) : nil
    if case .function(let function) = value { return CallMock(method: method, url: String(url)) { call(function, $0) } }
    let reply = try UpstreamReply(value, "http['\(key)']")
    return CallMock(method: method, url: String(url)) { _ in reply }
  }

  private mutating func readAuth(_ table: TestTable) throws(TestProblem) {
    guard let auth = table["auth"] else { return }
    if let key = auth.text {
      headers.append(("authorization", "Bearer " + key))
      return
    }
    let fields = try TestTable(auth, "auth", allowed: ["key_id", "tenant", "user", "claims"])
    identity = Identity(
      keyID: try fields.text("key_id"), tenant: try fields.text("tenant"), user: try fields.text("user"),
      claims: fields["claims"].map { PolicyValue($0) } ?? .map([]))
  }

  private mutating func readPlain(_ table: TestTable) throws(TestProblem) {
    let body = try table.text("body").map { Array($0.utf8) }
    let json = table["json"].map { Array(PolicyValue($0).json(emptyIsMap: true).utf8) }
    let path = try table.text("path")
    guard body != nil || json != nil || path != nil else { return }
    let method = try table.text("method") ?? (body == nil && json == nil ? "GET" : "POST")
    plain = (method, path ?? "/v1/chat/completions", body ?? json ?? [])
  }

  private static func message(_ role: String, _ text: String) -> PolicyValue {
    .map([PolicyValue.Entry("role", .string(role)), PolicyValue.Entry("content", .string(text))])
  }

  private static func message(_ value: LuaValue) throws(TestProblem) -> PolicyValue {
    if let text = value.text { return message("user", text) }
    let message = PolicyValue(value)
    guard message["role"]?.text != nil else {
      throw TestProblem("chat: each of 'messages' is a table with role and content, or the text of a user")
    }
    return message
  }

  /// A name alone is a tool that takes anything.
  private static func tool(_ value: LuaValue) throws(TestProblem) -> PolicyValue {
    if let name = value.text {
      return .map([
        PolicyValue.Entry("type", .string("function")),
        PolicyValue.Entry(
          "function",
          .map([
            PolicyValue.Entry("name", .string(name)),
            PolicyValue.Entry("parameters", .map([PolicyValue.Entry("type", .string("object"))])),
          ])),
      ])
    }
    let tool = PolicyValue(value)
    guard tool["function"]?["name"]?.text != nil else {
      throw TestProblem("chat: each of 'tools' is a name, or a table as Chat Completions has it")
    }
    return tool
  }

  private static func replies(_ table: TestTable) throws(TestProblem) -> [UpstreamReply] {
    guard let value = table["upstream"] else { return [try UpstreamReply(.text("ok"), "upstream")] }
    if case .array(let elements) = value, !elements.isEmpty {
      var replies: [UpstreamReply] = []
      for (index, element) in elements.enumerated() {
        replies.append(try UpstreamReply(element, "upstream[\(index + 1)]"))
      }
      return replies
    }
    return [try UpstreamReply(value, "upstream")]
  }
}

import TideLua
import TidePolicy

/// Reading what `upstream = { ... }` is given.
extension UpstreamReply {
  static let keys = [
    "text", "chunks", "reasoning", "tool_calls", "finish", "usage", "status", "error", "headers", "body", "json",
    "wait",
  ]

  init(_ value: LuaValue, _ what: String) throws(TestProblem) {
    if let text = value.text {
      chunks = [Chunk(text: Array(text.utf8))]
      return
    }
    let table = try TestTable(value, what, allowed: Self.keys)
    if let text = try table.text("text") { chunks = [Chunk(text: Array(text.utf8))] }
    for chunk in try table.list("chunks") ?? [] { chunks.append(try Self.chunk(chunk, what)) }
    reasoning = try table.text("reasoning") ?? ""
    for (index, call) in (try table.list("tool_calls") ?? []).enumerated() {
      toolCalls.append(try Self.toolCall(call, index, what))
    }
    finish = try table.text("finish")
    if let told = table["usage"] {
      let fields = try TestTable(told, "\(what).usage", allowed: ["input", "output", "cached"])
      usage.input = try fields.integer("input") ?? usage.input
      usage.output = try fields.integer("output") ?? usage.output
      usage.cached = try fields.integer("cached") ?? usage.cached
    }
    for (name, value) in try table.map("headers") ?? [] { headers.append((name.lowercased(), value.text ?? "")) }
    try readStatus(table, what)
    body = try table.text("body").map { Array($0.utf8) }
    if let wait = table["wait"] {
      guard let ms = TestTable.milliseconds(wait), ms >= 0 else { throw table.problem("wait", "a time such as '2s'") }
      waitMs = ms
    }
    if let json = table["json"] {
      body = Array(PolicyValue(json).json(emptyIsMap: true).utf8)
      if !headers.contains(where: { $0.0 == "content-type" }) { headers.append(("content-type", "application/json")) }
    }
  }

  private mutating func readStatus(_ table: TestTable, _ what: String) throws(TestProblem) {
    if let code = try table.integer("status") {
      guard (200...599).contains(code) else { throw TestProblem("\(what): 'status' must lie between 200 and 599") }
      status = code
    }
    guard let told = table["error"] else { return }
    if status >= 400 {
      if let message = told.text {
        error.message = message
      } else {
        let fields = try TestTable(told, "\(what).error", allowed: ["message", "type", "code"])
        error = (
          try fields.text("message") ?? error.message, try fields.text("type") ?? "", try fields.text("code") ?? ""
        )
      }
      return
    }
    guard let failure = told.text.flatMap(Failure.init(rawValue:)) else {
      let names = Failure.allCases.map { "'\($0.rawValue)'" }.joined(separator: ", ")
      throw TestProblem("\(what): without a 'status' from 400 on, 'error' is one of \(names)")
    }
    self.failure = failure
  }

  private static func chunk(_ value: LuaValue, _ what: String) throws(TestProblem) -> Chunk {
    if case .string(let bytes) = value { return Chunk(text: bytes) }
    let fields = try TestTable(value, "\(what).chunks", allowed: ["text", "wait"])
    var chunk = Chunk(text: Array((try fields.text("text") ?? "").utf8))
    if let wait = fields["wait"] {
      guard let ms = TestTable.milliseconds(wait), ms >= 0 else { throw fields.problem("wait", "a time such as '2s'") }
      chunk.waitMs = ms
    }
    return chunk
  }

  private static func toolCall(_ value: LuaValue, _ index: Int, _ what: String) throws(TestProblem) -> ToolCall {
    let fields = try TestTable(value, "\(what).tool_calls", allowed: ["id", "name", "args", "args_raw"])
    guard let name = try fields.text("name") else { throw TestProblem("\(what): a tool call needs a 'name'") }
    let arguments =
      try fields.text("args_raw") ?? fields["args"].map { PolicyValue($0).json(emptyIsMap: true) } ?? "{}"
    return ToolCall(id: try fields.text("id") ?? "call_\(index + 1)", name: name, arguments: arguments)
  }
}

/// A value that functions and hooks take or give, as annotations name it.
struct ValueClass {
  struct Field {
    var name: String
    var type: String
    var doc: String

    init(_ name: String, _ type: String, _ doc: String = "") {
      (self.name, self.type, self.doc) = (name, type, doc)
    }
  }

  var name: String
  var fields: [Field] = []
  /// Writing a field raises.
  var isReadOnly = false

  /// As messages call one: `lane` of `tide.Lane`.
  var shortName: String {
    switch name {
    case "tide.UpstreamError": "upstream error"
    case "tide.ToolCall": "tool call"
    default: name.dropFirst("tide.".count).lowercased()
    }
  }

  static let all = [
    ValueClass(name: "tide.Verdict"), ValueClass(name: "tide.Filter"),
    ValueClass(
      name: "tide.Error",
      fields: [Field("code", "string"), Field("message", "string"), Field("retry_after?", "integer", "milliseconds")]),
    ValueClass(
      name: "tide.Lane",
      fields: [
        Field("choice", "integer"),
        Field("block", "integer", "from 0; of tool_args, the call's place among those of its choice"),
        Field("channel", "string", "text, reasoning, refusal or tool_args"),
      ], isReadOnly: true),
    ValueClass(
      name: "tide.Target",
      fields: [
        Field("model", "string"), Field("cluster?", "string"), Field("healthy?", "boolean"),
        Field("pending?", "integer", "requests in flight"),
      ]),
    ValueClass(
      name: "tide.UpstreamError",
      fields: [
        Field("kind", "string", "connect, timeout, status or closed"), Field("status?", "integer"),
        Field("message", "string"), Field("model", "string"), Field("cluster", "string"),
        Field("will_retry", "boolean", "whether the gateway's own rules would try again"),
      ]),
    ValueClass(
      name: "tide.ToolCall",
      fields: [
        Field("id", "string"), Field("name", "string"), Field("args?", "table", "nil where the arguments are no JSON"),
        Field("args_raw", "string"), Field("index", "integer", "from 1"),
      ]),
    ValueClass(
      name: "tide.Pattern",
      fields: [
        Field("test", "fun(self, text: string): boolean"),
        Field(
          "find", "fun(self, text: string, from?: integer): first: integer?, last: integer?, ...", "captures follow"),
        Field("match", "fun(self, text: string, from?: integer): string?, ...", "captures, else the whole match"),
        Field("gmatch", "fun(self, text: string): fun(): string?, ..."),
        Field(
          "gsub", "fun(self, text: string, replacement: string|table|function, limit?: integer): string, integer"),
      ]),
  ]
}

/// What authors must know of a hook, for the reference and for the annotations.
extension HookName {
  /// The parameters of its function as annotations write them; nil for what is no function.
  var parameters: String? {
    switch self {
    case .onLoad: "cfg: table"
    case .onAuth, .onRequest, .onResponseStart, .onResponseEnd, .onLog: "ctx: tide.Context, cfg: table"
    case .onRoute: "ctx: tide.Context, cfg: table, targets: tide.Target[]"
    case .onUpstreamError: "ctx: tide.Context, cfg: table, err: tide.UpstreamError"
    case .onLane: "ctx: tide.Context, cfg: table, lane: tide.Lane"
    case .onToken, .onSegment: "s: table, text: string, lane: tide.Lane"
    case .onLaneEnd: "s: table, lane: tide.Lane"
    case .onToolCall: "ctx: tide.Context, cfg: table, call: tide.ToolCall"
    case .filters, .timers: nil
    }
  }

  /// The names of its function's parameters, and what they are; those of a filter list's and of a timer's function too.
  var parameterTypes: [(name: String, type: String)] {
    (parameters ?? "cfg: table").split(separator: ",").map { parameter in
      let words = parameter.split(separator: ":").map { String($0.drop { $0 == " " }) }
      return (words[0], words[1])
    }
  }

  var parameterNames: [String] { parameterTypes.map(\.name) }

  /// What its function may return, as annotations write it; nil where nothing is read.
  var results: String? {
    switch self {
    case .onLoad, .onLog, .filters, .timers: nil
    case .onAuth, .onRequest, .onUpstreamError, .onResponseStart, .onResponseEnd, .onToolCall: "tide.Verdict?"
    case .onRoute: "tide.Target[]|tide.Verdict?"
    case .onLane: "table?"
    case .onToken, .onSegment: "string|tide.Verdict?"
    case .onLaneEnd: "string?"
    }
  }

  /// The types of Lua, besides nil and verdicts, that its function may return; nil where nothing is read.
  var resultTypes: [String]? {
    switch self {
    case .onLoad, .onLog, .filters, .timers: nil
    case .onAuth, .onRequest, .onUpstreamError, .onResponseStart, .onToolCall, .onResponseEnd: []
    case .onRoute, .onLane: ["table"]
    case .onToken, .onSegment, .onLaneEnd: ["string"]
    }
  }

  /// The functions whose verdicts it may return, for readers.
  var returns: String {
    switch self {
    case .onLoad: "nothing; an error rejects the reload"
    case .onAuth: "nil (not its kind of credential), `tide.identity`, `tide.deny`, `tide.respond`"
    case .onRequest: "nil, `tide.deny`, `tide.respond`"
    case .onRoute: "nil, a list of targets in order of preference, `tide.deny`, `tide.respond`"
    case .onUpstreamError: "nil (the gateway's own rules), `tide.retry`, `tide.deny`, `tide.respond`"
    case .onResponseStart: "nil, `tide.deny`, `tide.respond`, `tide.retry`"
    case .onLane: "the table that lane hooks get as `s`"
    case .filters: "a list of `tide.filter` values, or a function of `cfg` that returns one"
    case .onToken, .onSegment: "nil (pass), a string (replace; `\"\"` drops), `tide.cut`"
    case .onLaneEnd: "nil, or text to append"
    case .onToolCall: "nil, `tide.tool`"
    case .onResponseEnd: "nil, `tide.cut`"
    case .onLog, .timers: "ignored"
    }
  }

  /// When it runs.
  var occasion: String {
    switch self {
    case .onLoad: "once for each binding and machine, before anything else; may add to `cfg`"
    case .onAuth: "the head is parsed; the body is not needed yet"
    case .onRequest: "the body is parsed"
    case .onRoute: "once, before the first attempt"
    case .onUpstreamError: "an attempt failed or brought a status from 400; nothing was sent to the client yet"
    case .onResponseStart: "the upstream's head is known; nothing was sent to the client yet"
    case .onLane: "a lane's first text"
    case .filters: "compiled; they see each text before the hooks do"
    case .onToken: "each delta as it came, cut anywhere: count, never match"
    case .onSegment: "each unit of `segment`, the same wherever the text was cut; with `wait = true` the stream is held"
    case .onLaneEnd: "the lane is drained"
    case .onToolCall: "a tool call is whole, and the client has nothing of it yet"
    case .onResponseEnd: "all lanes are drained; the finish event was not sent yet"
    case .onLog:
      "after the last byte, or when the client has left, in a turn of the worker's own; may be dropped under overload"
    case .timers: "every so often, on one worker"
    }
  }
}

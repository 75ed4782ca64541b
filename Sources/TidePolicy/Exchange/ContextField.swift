/// The fields of `ctx`: the one table behind lookup, write checks and documentation.
///
/// A case is a leaf or a group (`client`, `request`); a group's members carry its name before the dot.
public enum ContextField: UInt16, Sendable, BitwiseCopyable, CaseIterable {
  case id, attempt, now, deadline, kind, dialect, model, streaming, listener, ttft, vars
  case client, clientIP, clientPort, clientTLS, clientProtocol
  case auth, authKeyID, authTenant, authUser, authClaims
  case request, requestMethod, requestPath, requestQuery, requestHost, requestHeaders, requestCredential, requestSize
  case params, paramTemperature, paramTopP, paramMaxTokens, paramN, paramStop, paramSeed, paramUser
  case paramFrequencyPenalty, paramPresencePenalty
  case prompt, promptMessages, promptSystem, promptTools, promptTokens, promptEachText, promptAppend, promptInsert
  case promptRemove, promptReplace, promptMask
  case route, routeName, routeCluster, routeProvider, routeModel
  case response, responseStatus, responseHeaders, responseSource, responseText
  case usage, usageInput, usageOutput, usageCached, usageTotal, usageSource
  case filters, filtersDisable, filtersSet
  case log

  /// The shape of a field's value, as annotations name it.
  public enum FieldType: String, Sendable { case string, integer, number, boolean, table, object, function }

  public struct Entry: Sendable {
    /// As written in Lua after `ctx.`.
    public var path: String
    public var type: FieldType
    /// Reading it in an earlier hook raises.
    public var firstHook: HookName
    /// The hooks that may write it, or call it where it is a function that writes. Empty: read-only everywhere.
    public var writers: HookSet
    public var doc: String
  }

  public var entry: Entry { Self.table[Int(rawValue)] }

  /// The group that the field belongs to; nil at the top.
  public var group: ContextField? { Self.groups[Int(rawValue)] }

  private static let groups: [ContextField?] = allCases.map { field in
    field.entry.path.firstIndex(of: ".").flatMap { named(String(field.entry.path[..<$0])) }
  }

  /// A group that is nil where an exchange has nothing of it, in hooks from which it may be read.
  var isAbsentAtTimes: Bool { [.auth, .params, .prompt, .response, .usage].contains(self) }

  /// The name after the last dot.
  public var name: String {
    let path = entry.path
    return path.lastIndex(of: ".").map { String(path[path.index(after: $0)...]) } ?? path
  }

  static func named(_ path: String) -> ContextField? { allCases.first { $0.entry.path == path } }

  private static let table: [Entry] = allCases.map(\.definition)

  private var definition: Entry {
    func leaf(
      _ path: String, _ type: FieldType, _ doc: String, from hook: HookName = .onAuth, writers: HookSet = []
    ) -> Entry {
      Entry(path: path, type: type, firstHook: hook, writers: writers, doc: doc)
    }
    func parameter(_ name: String, _ type: FieldType, _ doc: String) -> Entry {
      leaf("params." + name, type, doc, from: .onRequest, writers: HookSet(.onRequest))
    }
    func edit(_ name: String, _ doc: String) -> Entry {
      leaf("prompt." + name, .function, doc, from: .onRequest, writers: HookSet(.onRequest))
    }
    func filters(_ name: String, _ doc: String) -> Entry {
      let untilTheAnswer = HookName.allCases.filter { $0 >= .onAuth && $0 < .onLane }
      return leaf("filters." + name, .function, doc, writers: HookSet(untilTheAnswer.map { HookSet($0) }))
    }
    return switch self {
    case .id: leaf("id", .string, "the exchange's id, as in x-request-id")
    case .attempt: leaf("attempt", .integer, "from 1; grows with each try upstream")
    case .now: leaf("now", .number, "milliseconds since 1970")
    case .deadline:
      leaf(
        "deadline", .number,
        "milliseconds left of the whole exchange's time: the cluster's total timeout, once one is chosen")
    case .kind: leaf("kind", .string, "chat, completion, embedding, token_count or other")
    case .dialect: leaf("dialect", .string, "what the client speaks: openai, openai-responses or anthropic")
    case .model: leaf("model", .string, "the model the client asked for; never changes", from: .onRequest)
    case .streaming: leaf("streaming", .boolean, "whether the client asked for a stream", from: .onRequest)
    case .listener: leaf("listener", .string, "the address of the listener that accepted the client")
    case .ttft: leaf("ttft", .number, "milliseconds to the first token", from: .onResponseEnd)
    case .vars:
      Entry(
        path: "vars", type: .table, firstHook: .onAuth, writers: [],
        doc: "a table of this binding's own, for the life of the exchange")
    case .client: leaf("client", .object, "who connected")
    case .clientIP: leaf("client.ip", .string, "the address of the connection's other end")
    case .clientPort: leaf("client.port", .integer, "its port")
    case .clientTLS: leaf("client.tls", .boolean, "whether the connection is encrypted")
    case .clientProtocol: leaf("client.protocol", .string, "h2, h2c or http/1.1")
    case .auth: leaf("auth", .object, "what on_auth established; nil when no policy knew the client", from: .onRequest)
    case .authKeyID: leaf("auth.key_id", .string, "names the key, never the key itself", from: .onRequest)
    case .authTenant: leaf("auth.tenant", .string, "the key's tenant", from: .onRequest)
    case .authUser: leaf("auth.user", .string, "the key's user", from: .onRequest)
    case .authClaims: leaf("auth.claims", .table, "what else the policy that knew the key said", from: .onRequest)
    case .request: leaf("request", .object, "the request's head")
    case .requestMethod: leaf("request.method", .string, "GET, POST, ...")
    case .requestPath: leaf("request.path", .string, "without the query")
    case .requestQuery: leaf("request.query", .string, "without the question mark; nil when there is none")
    case .requestHost: leaf("request.host", .string, "the authority that the client named")
    case .requestHeaders: leaf("request.headers", .object, "by name, in any case; repeats joined with a comma")
    case .requestCredential:
      leaf("request.credential", .string, "from authorization: Bearer, x-api-key or api-key, in this order")
    case .requestSize: leaf("request.size", .integer, "bytes of the body", from: .onRequest)
    case .params: leaf("params", .object, "the model's parameters; nil when the request is no chat", from: .onRequest)
    case .paramTemperature: parameter("temperature", .number, "")
    case .paramTopP: parameter("top_p", .number, "")
    case .paramMaxTokens: parameter("max_tokens", .integer, "max_completion_tokens where the client used that name")
    case .paramN: leaf("params.n", .integer, "how many choices", from: .onRequest)
    case .paramStop: parameter("stop", .string, "a text or a list of texts; a list is a copy: set it whole")
    case .paramSeed: parameter("seed", .integer, "")
    case .paramUser: parameter("user", .string, "the client's own name for its user")
    case .paramFrequencyPenalty: parameter("frequency_penalty", .number, "")
    case .paramPresencePenalty: parameter("presence_penalty", .number, "")
    case .prompt: leaf("prompt", .object, "what the model is asked; nil when the request is no chat", from: .onRequest)
    case .promptMessages:
      leaf(
        "prompt.messages", .table,
        "a copy, a list of { role, text }: each_text, replace, append and the like change them", from: .onRequest)
    case .promptSystem:
      leaf("prompt.system", .string, "the first system message's text", from: .onRequest, writers: HookSet(.onRequest))
    case .promptTools: leaf("prompt.tools", .table, "the names of the tools offered", from: .onRequest)
    case .promptTokens:
      leaf("prompt.tokens_est", .integer, "an estimate: a token for four bytes of text", from: .onRequest)
    case .promptEachText:
      leaf(
        "prompt.each_text", .function,
        "each_text{roles = {\"user\"}}: loops over text parts, without roles over all; part.text is writable",
        from: .onRequest)
    case .promptAppend: edit("append", "append{role, text}: adds a message at the end")
    case .promptInsert: edit("insert", "insert(index, {role, text}): adds a message before another")
    case .promptRemove: edit("remove", "remove(index): removes a message")
    case .promptReplace: edit("replace", "replace(index, {role, text}): puts another message there")
    case .promptMask:
      edit(
        "mask",
        "mask{kinds, roles, map}: puts <EMAIL_1> and the like in the place of finds of these kinds (as in tide.filter.mask), in what tools were called with too; returns how many"
      )
    case .route: leaf("route", .object, "where the exchange goes")
    case .routeName: leaf("route.name", .string, "the route's name")
    case .routeCluster: leaf("route.cluster", .string, "the cluster of this attempt", from: .onUpstreamError)
    case .routeProvider:
      leaf(
        "route.provider", .string, "whose API the cluster speaks: openai, anthropic, or engine for the embedded one",
        from: .onUpstreamError)
    case .routeModel: leaf("route.model", .string, "the model asked of the upstream", from: .onUpstreamError)
    case .response: leaf("response", .object, "what came back", from: .onResponseStart)
    case .responseStatus: leaf("response.status", .integer, "the upstream's status", from: .onResponseStart)
    case .responseHeaders: leaf("response.headers", .object, "the upstream's headers", from: .onResponseStart)
    case .responseSource: leaf("response.source", .string, "upstream, policy or gateway", from: .onResponseStart)
    case .responseText:
      leaf(
        "response.text", .string,
        "what the client got of the first choice, with `keep_text = true` in the policy; the first 64 KiB",
        from: .onResponseEnd)
    case .usage: leaf("usage", .object, "tokens counted", from: .onResponseEnd)
    case .usageInput: leaf("usage.input", .integer, "tokens of the prompt", from: .onResponseEnd)
    case .usageOutput: leaf("usage.output", .integer, "tokens of the answer", from: .onResponseEnd)
    case .usageCached: leaf("usage.cached", .integer, "prompt tokens from the provider's cache", from: .onResponseEnd)
    case .usageTotal: leaf("usage.total", .integer, "both", from: .onResponseEnd)
    case .usageSource: leaf("usage.source", .string, "upstream or counted", from: .onResponseEnd)
    case .filters: leaf("filters", .object, "this policy's filters, for this exchange")
    case .filtersDisable:
      filters(
        "disable",
        "disable{ \"name\", ... }: puts these filters out of action, without a list all of them; a filter's name is its `name`, else its function's: mask, replace"
      )
    case .filtersSet: filters("set", "set{ \"name\", ... }: lets only these filters run")
    case .log: leaf("log", .function, "log(level, message, fields): a line that names policy and exchange")
    }
  }
}

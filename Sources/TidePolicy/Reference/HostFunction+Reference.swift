import TideDialects

/// What authors must know of a host function, for the reference and for the annotations.
extension HostFunction {
  struct Usage {
    /// Parameters as annotations write them.
    var parameters: String
    /// The result as annotations write it; nil where there is none.
    var result: String?
    var doc: String
  }

  /// Nil for methods of objects, which their object's fields describe.
  var usage: Usage? {
    func usage(_ parameters: String, _ result: String?, _ doc: String) -> Usage {
      Usage(parameters: parameters, result: result, doc: doc)
    }
    return switch self {
    case .deny:
      usage(
        "status: integer, options?: {code?: string, message?: string, type?: string, headers?: table, retry_after?: string|number}",
        "tide.Verdict", "Refuses the request with a status from 400 to 599, in the client's dialect.")
    case .respond:
      usage(
        "answer: {text?: string, tool_calls?: table, json?: any, usage?: {input?: integer, output?: integer}, finish?: \"stop\"|\"length\"|\"tool_calls\"|\"content_filter\"}",
        "tide.Verdict",
        "Answers in the upstream's place, streamed or not as the client asked; on_response_start and what follows see it as an upstream's. `finish` is in OpenAI's words; the other dialects have theirs for it."
      )
    case .cut:
      usage(
        "options?: {reason?: \"content_filter\"|\"length\"|\"stop\", text?: string}", "tide.Verdict",
        "Ends the answer well formed, all choices of it; without a reason it is content_filter. `text` is the last of the answer: policies bound before see it as text."
      )
    case .identity:
      usage(
        "identity: {key_id?: string, tenant?: string, user?: string, claims?: table}", "tide.Verdict",
        "Says who the client is; at least one of them.")
    case .retry:
      usage(
        "options?: {targets?: tide.Target[], delay?: string|number}", "tide.Verdict",
        "Another attempt, after at most 10 s.")
    case .tool:
      usage(
        "change: {name?: string, args?: table|string, deny?: string}", "tide.Verdict",
        "Another tool call, or text in its place.")
    case .sleep: usage("time: string|number", nil, "Waits.")
    case .http:
      usage(
        "request: {url?: string, cluster?: string, path?: string, method?: string, headers?: table, body?: string, json?: any, auth?: any, timeout?: string|number, max_body?: string|integer}",
        "{status: integer, headers: table, body: string, json?: any}?, tide.Error?",
        "Calls a host that the configuration names, or one that `net` lists, or a cluster; secrets may stand in `auth` and `headers`. `json` is there when the answer's content-type is JSON."
      )
    case .all: usage("functions: function[]", "table?, tide.Error?", "Runs functions that wait at the same time.")
    case .once:
      usage(
        "key: string, ttl: string|number, f: function", "any, tide.Error?",
        "The result of `f`, made once for all who ask meanwhile, and kept for a while.")
    case .sharedGet: usage("key: string", "string|number|boolean?", "A value that outlives reloads.")
    case .sharedSet:
      usage(
        "key: string, value: string|number|boolean|nil, options?: {ttl?: string|number}", "boolean?, tide.Error?",
        "Keeps a value; nil removes it.")
    case .sharedIncrement:
      usage(
        "key: string, amount?: integer, options?: {ttl?: string|number}", "integer?, tide.Error?",
        "Adds to a number and returns the sum.")
    case .sharedCompareAndSet:
      usage(
        "key: string, expected: any, value: any, options?: {ttl?: string|number}", "boolean?, tide.Error?",
        "Replaces a value if it is the expected one.")
    case .sharedDelete: usage("key: string", nil, "Removes a value.")
    case .limitTake:
      usage(
        "key: string, amount: integer|nil, limit: {rate: integer, per: string|number, burst?: integer}",
        "{ok: boolean, remaining: integer, retry_after?: integer}?, tide.Error?",
        "Takes from a rate limit, exactly, over all workers and all gateways that share a store. `nil, err` when the store is away."
      )
    case .limitTokens:
      usage(
        "key: string, budget: {tokens: integer, per: string|number, count?: \"total\"|\"input\"|\"output\", estimate?: integer}",
        "{ok: boolean, remaining: integer, retry_after?: integer}?, tide.Error?",
        "In on_request: sets tokens aside. The gateway takes more as the answer's pass, thinking and arguments of tool calls too, ends the answer with `length` when none are left, and settles with the usage. `per` is a rolling duration, or hour, day or month (UTC). `nil, err` when a shared store is away."
      )
    case .limitConcurrent:
      usage(
        "key: string, maximum: integer", "{ok: boolean, remaining: integer}?, tide.Error?",
        "Takes one of so many places; the gateway gives it back when the exchange ends. `nil, err` when a shared store is away."
      )
    case .jsonEncode: usage("value: any", "string", "JSON text.")
    case .jsonDecode: usage("text: string", "any, tide.Error?", "The value of JSON text.")
    case .base64Encode:
      usage("text: string, options?: {url?: boolean}", "string", "Base64; the alphabet for URLs has no padding.")
    case .base64Decode: usage("text: string, options?: {url?: boolean}", "string?, tide.Error?", "The bytes of base64.")
    case .sha256: usage("text: string", "string", "The digest, in hex.")
    case .hmac: usage("key: any, text: string", "string", "HMAC-SHA256, in hex; the key may be a secret.")
    case .uuid:
      usage("version?: \"v4\"|\"v7\"", "string", "A random identifier (`v4`), or one that sorts by time (`v7`).")
    case .jwtVerify:
      usage(
        "token: string, rules: {algs: string[], keys?: table, secret?: any, iss?: string|string[], aud?: string|string[], require?: string[], leeway?: string|number}",
        "table?, tide.Error?", "The claims of a web token whose signature holds.")
    case .glob: usage("pattern: string, text: string", "boolean", "Whether `*` and `?` match.")
    case .regex: usage("pattern: string, flags?: string", "tide.Pattern", "A pattern that takes linear time.")
    case .metricsIncrement:
      usage(
        "name: string, amount?: number, labels?: table", nil,
        "Adds to a counter of `/metrics`. A binding has at most \(PolicyMetrics.namesMax) metrics, a call \(BindingHost.labelsMax) labels; all metrics of a binding have room for \(PolicyMetrics.seriesMax) sets of labels together, and what comes on top is added up under `overflow=\"true\"`, of which the log warns once for each metric."
      )
    case .metricsObserve:
      usage(
        "name: string, value: number, labels?: table", nil,
        "Adds to a histogram of `/metrics`, bounded in the same way.")
    case .log:
      usage(
        "level: \"debug\"|\"info\"|\"warning\"|\"warn\"|\"error\", message: string, fields?: table", nil,
        "Writes to the log.")
    case .now: usage("", "integer", "Milliseconds since 1970.")
    case .filterMask:
      usage(
        "options: {name?: string, kinds: (\(EntityKind.allCases.map { "\"\($0.name)\"" }.joined(separator: "|")))[], with?: string, channels?: string[], on_match?: function}",
        "tide.Filter",
        "Hides e-mail addresses, cards and other entities whose checksums hold.")
    case .filterReplace:
      usage(
        "options: {name?: string, words: table, ignore_case?: boolean, whole_word?: boolean, on_match?: function, channels?: string[]}",
        "tide.Filter",
        "Puts words in the place of words.")
    case .filterRestore:
      usage(
        "options: {name?: string, map: string, channels?: string[]}", "tide.Filter",
        "Puts originals back for `ctx.prompt:mask`.")
    case .filterBlock:
      usage(
        "options: {name?: string, patterns: string[], max_len?: integer, ignore_case?: boolean, on_match?: function, channels?: string[]}",
        "tide.Filter",
        "Ends the answer at a match, or does what `on_match(s, match, lane)` returns. `match` is `{ kind, text }`. nil does what the filter does by itself (`block` ends the answer, `mask` and `replace` edit), a string takes the match's place, so `match.text` lets it through, `tide.cut` ends the answer."
      )
    case .filterLimit:
      usage(
        "options: {name?: string, output_tokens: integer, channels?: string[]}", "tide.Filter",
        "Ends the answer at a length.")
    default: nil
    }
  }
}

/// What the table of a policy's file may hold besides hooks: the one list behind reading, annotations and reference.
enum ManifestKey: String, CaseIterable {
  case name, version, api, auto, schema, channels, segment, hold, budgets, failure, net, timers
  case keepText = "keep_text"

  static var names: [String] { allCases.map(\.rawValue) }

  /// As annotations write it.
  var type: String {
    switch self {
    case .name, .version: "string"
    case .api: "integer"
    case .auto, .keepText: "boolean"
    case .schema: "table<string, tide.SchemaField>"
    case .channels: "(\"text\"|\"reasoning\"|\"refusal\"|\"tool_args\")[]"
    case .segment: "{unit: string|integer, wait?: boolean}"
    case .hold: "{bytes?: string|integer, time?: string|integer, strict?: boolean}"
    case .budgets: "table<string, string|integer|{cpu?: string|integer, wall?: string|integer}>"
    case .failure: "table<string, \"deny\"|\"cut\"|\"skip\">"
    case .net: "string[]"
    case .timers: "table<string, {every: string|number, run: fun(cfg: table)}>"
    }
  }

  var doc: String {
    switch self {
    case .name: "equals the file's"
    case .version: "as its author counts; `/policies` shows it"
    case .api: "1"
    case .auto: "bound as soon as the file lies there"
    case .schema: "what its configuration may hold, by key; see below"
    case .channels: "the lanes that its lane hooks and filters see: text (the default), reasoning, refusal, tool_args"
    case .segment:
      "what `on_segment` gets; with `wait = true` the hook may wait. `unit` is `word` (letters, digits, `_`, and an apostrophe between them; an ideograph alone), `line` (without its end), `sentence` (up to `.`, `!`, `?` or `…` with closing quotes and brackets, where white space follows, up to `。`, `！` or `？`, or up to the line's end; without the space around it), `lane` (the whole), or a number of bytes from 8, which cuts no character. What stands between units passes unseen. A word longer than 256 bytes, a line or sentence longer than 4KiB and a lane longer than 1MiB come in pieces"
    case .hold:
      "how much text filters may hold for a match that may be under way, from 16 bytes to 64KiB, and for how long, at most 60s; `strict` never lets it go early"
    case .budgets:
      "`memory` of each machine (4MiB, from 256KiB to 256MiB), and by hook `cpu` (of one call, at most 1s) and `wall` (of one that waits, at most 10m): `{ memory = \"8MiB\", on_request = { cpu = \"10ms\", wall = \"5s\" } }`. Where nothing is written, `cpu` is 5ms, for `on_load` 100ms, and for filters and lane hooks 50us a KiB of text; tests allow more, see `t.budget`"
    case .failure:
      "by hook, what its error, its budget's end or a missing answer does: `deny` refuses the request (once the answer has begun it cuts), `cut` ends the answer, `skip` goes on without it. The operator's word in YAML wins"
    case .net:
      "hosts that the file itself names to `tide.http`, as `{ \"api.example.com\", \"api.example.com:8443\" }`; they must be public. Hosts in fields of type `url` need no entry"
    case .timers: "every so often, on one worker; at most 16, from 100ms to 1d"
    case .keepText: "whether `ctx.response.text` is there in `on_response_end` and `on_log`"
    }
  }
}

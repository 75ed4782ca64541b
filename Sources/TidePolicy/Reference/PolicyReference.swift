import TideCore

/// The reference of what policies have, from the tables by which they run.
public enum PolicyReference {
  /// Markdown: hooks, fields of `ctx`, functions.
  public static var markdown: String {
    var lines = ["### Hooks", "", "| Hook | Called | Returns | May wait | On failure |", "|---|---|---|---|---|"]
    for hook in HookName.allCases {
      lines.append(
        "| `\(hook.name)` | \(hook.occasion) | \(escaped(hook.returns)) | \(hook.mayWait ? "yes" : "no") | "
          + "\(PolicyManifest.defaultFailure(hook).rawValue) |")
    }
    lines += [
      "", "### Fields of `ctx`", "",
      "A field is nil while it is not known, and raises in hooks before the one from which it is there.", "",
      "| Field | Type | | From | Writable in |", "|---|---|---|---|---|",
    ]
    for field in ContextField.allCases {
      let entry = field.entry
      let writers = entry.writers.hooks.map { "`\($0.name)`" }.joined(separator: ", ")
      lines.append(
        "| `\(entry.path)` | \(entry.type.rawValue) | \(escaped(entry.doc)) | `\(entry.firstHook.name)` | \(writers) |")
    }
    lines += ["", "### Functions", "", "| Function | |", "|---|---|"]
    for function in HostFunction.allCases {
      guard let path = function.path, let usage = function.usage else { continue }
      let place = function.options.contains(.coroutineOnly) || function.isWaiting ? " In hooks that may wait." : ""
      lines.append("| `\(path)` | \(escaped(usage.doc))\(place) |")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func escaped(_ text: String) -> String { text.replacing("|", with: "\\|") }

  // MARK: Annotations

  /// LuaLS annotations: the classes under `tide`, and one for the configuration of each policy of a folder.
  public static func annotations(_ folder: PolicyFolder, services: PolicyHostServices) -> String {
    var lines = ["---@meta", "", "-- Made by `tidegate policy types`.", ""]
    lines += contextClasses() + valueClasses() + policyClass() + functions()
    for (name, schema) in PolicyCompiler.schemas(folder, services: services) {
      lines += ["---@class tide.config.\(identifier(name))"]
      lines += schema.members.map { member in
        field(
          member.name + (member.field.isRequired || member.field.defaultValue != nil ? "" : "?"),
          luaType(member.field), member.field.doc)
      }
      lines.append("")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func contextClasses() -> [String] {
    var lines = ["---@class tide.Context"]
    for field in ContextField.allCases where field.group == nil {
      lines.append(Self.field(field.name, type(of: field), field.entry.doc))
    }
    for group in ContextField.allCases where group.group == nil {
      let members = ContextField.allCases.filter { $0.group == group }
      guard !members.isEmpty else { continue }
      lines += ["", "---@class tide.Context.\(group.name)"]
      lines += members.map { Self.field($0.name, type(of: $0), $0.entry.doc) }
    }
    return lines + [""]
  }

  private static func type(of field: ContextField) -> String {
    if ContextField.allCases.contains(where: { $0.group == field }) { return "tide.Context.\(field.name)" }
    switch field.entry.type {
    case .object, .table: return "table"
    case .function: return "function"
    default: return field.entry.type.rawValue + "?"
    }
  }

  private static func valueClasses() -> [String] {
    [
      "---@class tide.Verdict", "", "---@class tide.Filter", "", "---@class tide.Error",
      field("code", "string", ""), field("message", "string", ""), field("retry_after?", "integer", "milliseconds"), "",
      "---@class tide.Lane", field("choice", "integer", ""),
      field("block", "integer", "from 0; of tool_args, the call's place among those of its choice"),
      field("channel", "string", "text, reasoning, refusal or tool_args"), "", "---@class tide.Target",
      field("model", "string", ""), field("cluster?", "string", ""), field("healthy?", "boolean", ""),
      field("pending?", "integer", "requests in flight"), "", "---@class tide.UpstreamError",
      field("kind", "string", "connect, timeout, status or closed"), field("status?", "integer", ""),
      field("message", "string", ""), field("model", "string", ""), field("cluster", "string", ""),
      field("will_retry", "boolean", "whether the gateway's own rules would try again"), "",
      "---@class tide.ToolCall", field("id", "string", ""), field("name", "string", ""),
      field("args?", "table", "nil where the arguments are no JSON"), field("args_raw", "string", ""),
      field("index", "integer", "from 1"), "", "---@class tide.Pattern",
      field("test", "fun(self, text: string): boolean", ""),
      "",
    ]
  }

  private static func policyClass() -> [String] {
    var lines = [
      "---@class tide.Policy", field("name?", "string", "equals the file's"), field("version?", "string", ""),
      field("api?", "integer", "1"), field("auto?", "boolean", "bound as soon as the file is there"),
      field("schema?", "table", "what its configuration may hold"),
      field(
        "channels?", "(\"text\"|\"reasoning\"|\"refusal\"|\"tool_args\")[]",
        "lanes that its hooks and filters see; text by default"),
      field("segment?", "{unit: string|integer, wait?: boolean}", ""), field("hold?", "table", ""),
      field("budgets?", "table", ""), field("failure?", "table<string, \"deny\"|\"cut\"|\"skip\">", ""),
      field("net?", "string[]", "hosts that the file itself names"),
      field("filters?", "tide.Filter[]|fun(cfg: table): tide.Filter[]", HookName.filters.occasion),
      field("timers?", "table<string, {every: string|number, run: fun(cfg: table)}>", HookName.timers.occasion),
    ]
    for hook in HookName.allCases {
      guard let parameters = hook.parameters else { continue }
      let results = hook.results.map { ": \($0)" } ?? ""
      lines.append(field(hook.name + "?", "fun(\(parameters))\(results)", hook.occasion))
    }
    return lines + [""]
  }

  private static func functions() -> [String] {
    var lines = ["tide = { shared = {}, limit = {}, json = {}, base64 = {}, jwt = {}, metrics = {}, filter = {} }", ""]
    for function in HostFunction.allCases {
      guard let path = function.path, let usage = function.usage else { continue }
      let result = usage.result.map { ": \($0)" } ?? ""
      lines += ["---\(usage.doc)", "---@type fun(\(usage.parameters))\(result)", "\(path) = nil", ""]
    }
    return lines
  }

  private static func field(_ name: String, _ type: String, _ doc: String) -> String {
    "---@field \(name) \(type)" + (doc.isEmpty ? "" : " \(doc)")
  }

  private static func luaType(_ field: SchemaField) -> String {
    switch field.kind {
    case .string, .url, .pattern: return "string"
    case .integer, .duration, .size: return "integer"
    case .number: return "number"
    case .boolean: return "boolean"
    case .secret: return "userdata"
    case .file: return "table"
    case .array(let element): return (element.map { "(\(luaType($0)))" } ?? "any") + "[]"
    case .map(let value): return "table<string, \(value.map(luaType) ?? "any")>"
    case .object: return "table"
    case .enumeration(let values):
      return values.map { $0.text.map { "\"\($0)\"" } ?? SchemaField.show($0) }.joined(separator: "|")
    case .oneOf(let fields): return fields.map(luaType).joined(separator: "|")
    }
  }

  private static func identifier(_ name: String) -> String {
    String(name.map { $0.isLetter || $0.isNumber ? $0 : "_" })
  }
}

import TideCore

/// The reference of what policies have, from the tables by which they run.
public enum PolicyReference {
  /// Markdown: a policy's keys, its schema, hooks, fields of `ctx`, functions and the values that they take and give.
  public static var markdown: String {
    var lines =
      keyTables() + ["### Hooks", "", "| Hook | Called | Returns | May wait | On failure |", "|---|---|---|---|---|"]
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
    lines += [
      "", "### Functions", "",
      "What a function cannot do it raises, where the policy is wrong; what may fail while all is right returns nil and a `tide.Error`.",
      "Times are numbers of milliseconds, or texts such as `\"10s\"`. `print` goes to the log at info; `os.time`, `os.date` and `os.clock` are",
      "there, and `require` finds what lies in the policy's own `lib` folder.", "", "| Function | Returns | |",
      "|---|---|---|",
    ]
    for function in HostFunction.allCases {
      guard let path = function.path, let usage = function.usage else { continue }
      let place = function.options.contains(.coroutineOnly) || function.isWaiting ? " In hooks that may wait." : ""
      let result = usage.result.map { "`\(escaped($0))`" } ?? ""
      lines.append("| `\(path)(\(escaped(usage.parameters)))` | \(result) | \(escaped(usage.doc))\(place) |")
    }
    lines += ["", "### Values", "", "| Value | Fields |", "|---|---|"]
    for type in ValueClass.all where !type.fields.isEmpty {
      let fields = type.fields.map { field in
        "`\(field.name): \(escaped(field.type))`" + (field.doc.isEmpty ? "" : " (\(field.doc))")
      }
      lines.append("| `\(type.name)` | \(fields.joined(separator: ", ")) |")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// What a policy's table and its schema may hold.
  private static func keyTables() -> [String] {
    var lines = [
      "### A policy's keys", "", "Beside its hooks, all of them optional:", "", "| Key | Type | |", "|---|---|---|",
    ]
    lines += ManifestKey.allCases.map { "| `\($0.rawValue)` | `\(escaped($0.type))` | \(escaped($0.doc)) |" }
    lines += [
      "", "### Schema", "", "Each key of `schema` says what the key of that name in `config` may be:", "",
      "| Option | |", "|---|---|",
    ]
    lines += SchemaOption.allCases.map { "| `\($0.rawValue)` | \(escaped($0.meaning)) |" }
    lines += ["", "| Type | What is written, and what `cfg` has |", "|---|---|"]
    lines += SchemaType.allCases.map { "| `\($0.rawValue)` | \(escaped($0.meaning)) |" }
    return lines + [""]
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
    if ContextField.allCases.contains(where: { $0.group == field }) {
      return "tide.Context.\(field.name)" + (field.isAbsentAtTimes ? "?" : "")
    }
    switch field.entry.type {
    case .object, .table: return "table"
    case .function: return "function"
    default: return field.entry.type.rawValue + "?"
    }
  }

  private static func valueClasses() -> [String] {
    var lines: [String] = []
    for type in ValueClass.all {
      lines.append("---@class \(type.name)")
      lines += type.fields.map { field($0.name, $0.type, $0.doc) }
      lines.append("")
    }
    lines.append("---@class tide.SchemaField")
    lines += SchemaOption.allCases.map { field($0.rawValue + "?", $0.annotation, $0.meaning) }
    return lines + [""]
  }

  private static func policyClass() -> [String] {
    var lines = ["---@class tide.Policy"] + ManifestKey.allCases.map { field($0.rawValue + "?", $0.type, $0.doc) }
    lines.append(
      field("filters?", "tide.Filter[]|fun(cfg: table): tide.Filter[]", HookName.filters.occasion))
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

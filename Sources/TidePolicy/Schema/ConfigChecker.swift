import TideCore
import TideRegex

/// A file that a configuration names, parsed, and how its content is known to have changed.
public struct LoadedFile: Sendable {
  public var content: ConfigNode
  public var hash: UInt64

  public init(content: ConfigNode, hash: UInt64) {
    self.content = content
    self.hash = hash
  }
}

/// Checks what a user wrote for one binding against the policy's schema: fills in defaults, converts units, reads named
/// files.
///
/// Collects every mistake with the position of the value that is wrong.
struct ConfigChecker {
  /// Reads and parses a YAML or JSON file; throws the diagnostic to show.
  typealias FileLoader = @Sendable (_ path: String) throws(Diagnostic) -> LoadedFile

  let file: String
  let binding: PolicyBinding
  let directory: String
  let load: FileLoader
  private(set) var problems: [Diagnostic] = []
  private(set) var warnings: [Diagnostic] = []
  /// Absolute or directory-relative paths of files read, with their hashes.
  private(set) var files: [(path: String, hash: UInt64)] = []

  init(binding: PolicyBinding, directory: String, load: @escaping FileLoader) {
    file = binding.file
    self.binding = binding
    self.directory = directory
    self.load = load
  }

  mutating func check(_ schema: PolicySchema) -> PolicyValue {
    object(binding.config, schema.members, path: "config")
  }

  /// What is wrong with what a schema gives where the user says nothing. What stands in files is known only once it is bound.
  static func problems(ofDefault field: SchemaField, path: String) -> [String] {
    guard let fallback = field.defaultValue, !field.readsFiles else { return [] }
    let nobody = PolicyBinding(policy: "")
    var checker = ConfigChecker(binding: nobody, directory: "") { (path: String) throws(Diagnostic) -> LoadedFile in
      throw Diagnostic(file: path, message: "is not read here")
    }
    _ = checker.value(fallback.configNode, field, path: path)
    return checker.problems.map { String($0.message.dropFirst("policy : ".count)) }
  }

  private mutating func report(_ node: ConfigNode, _ message: String, hint: String = "") {
    let isPlaced = node.line > 0
    problems.append(
      Diagnostic(
        file: file, line: isPlaced ? node.line : binding.line, column: isPlaced ? node.column : binding.column,
        message: "policy \(binding.name): \(message)", hint: hint))
  }

  private mutating func object(_ node: ConfigNode, _ members: [PolicySchema.Member], path: String) -> PolicyValue {
    let written: [ConfigNode.Entry]
    switch node.value {
    case .map(let entries): written = entries
    case .null: written = []
    default:
      report(node, "\(path) must be a map, not \(node.kind)")
      return .map([])
    }
    let names = members.map(\.name)
    for entry in written where !names.contains(entry.key) {
      let at = ConfigNode(.null, line: entry.keyLine, column: entry.keyColumn)
      let hint =
        nearestName(to: entry.key, among: names).map { "did you mean \($0)?" }
        ?? (names.isEmpty ? "it takes none" : "known keys: " + names.joined(separator: ", "))
      report(at, "unknown key \(path).\(entry.key)", hint: hint)
    }
    var result: [PolicyValue.Entry] = []
    for member in members {
      let path = "\(path).\(member.name)"
      if let entry = written.first(where: { $0.key == member.name }), !entry.value.isNull {
        if let deprecated = member.field.deprecated {
          warnings.append(
            Diagnostic(
              .warning, file: file, line: entry.keyLine, column: entry.keyColumn,
              message: "policy \(binding.name): \(path) is deprecated", hint: deprecated))
        }
        if let value = value(entry.value, member.field, path: path) { result.append(.init(member.name, value)) }
      } else if let fallback = member.field.defaultValue {
        if let value = value(fallback.configNode, member.field, path: path) { result.append(.init(member.name, value)) }
      } else if member.field.isRequired {
        report(node, "\(path) is required: \(member.field.expectation)", hint: member.field.doc)
      } else if case .object(let inner) = member.field.kind {
        // An absent group still has its members' defaults.
        result.append(.init(member.name, object(ConfigNode(.map([])), inner, path: path)))
      }
    }
    return .map(result)
  }

  private mutating func value(_ node: ConfigNode, _ field: SchemaField, path: String) -> PolicyValue? {
    switch (field.kind, node.value) {
    case (.string, .string(let text)):
      return checkLength(text.unicodeScalars.count, node, field, path, "characters") ? .string(text) : nil
    case (.secret, .string(let text)):
      guard let text = secret(text, node, path) else { return nil }
      return checkLength(text.unicodeScalars.count, node, field, path, "characters") ? .secret(Secret(text)) : nil
    case (.pattern, .string(let text)):
      do throws(RegexSyntaxError) {
        _ = try RegexProgram(text)
        return .string(text)
      } catch {
        report(node, "\(path) is not a regular expression: \(error.description)")
        return nil
      }
    case (.boolean, .boolean(let flag)): return .boolean(flag)
    case (.integer, .integer(let number)):
      return checkRange(Double(number), node, field, path) ? .integer(number) : nil
    case (.integer, .number(let number)):
      guard let whole = Int(exactly: number) else { break }
      return checkRange(number, node, field, path) ? .integer(whole) : nil
    case (.number, .integer(let number)):
      return checkRange(Double(number), node, field, path) ? .integer(number) : nil
    case (.number, .number(let number)):
      return checkRange(number, node, field, path) ? .number(number) : nil
    case (.url, .string(let text)):
      guard Self.isURL(text) else { return refuse(text, node, path) }
      return .string(text)
    case (.duration, .string(let text)):
      guard let ms = UnitText.milliseconds(text) else {
        if let number = Int(text), number > 0 { return refuseBare(number, node, path) }
        break
      }
      return checkRange(Double(ms), node, field, path) ? .integer(ms) : nil
    // Lua counts milliseconds; in a file that people write, a number alone is as often meant to be seconds.
    case (.duration, .integer(let number)) where number > 0 && node.line > 0: return refuseBare(number, node, path)
    case (.duration, .integer(let ms)) where ms >= 0:
      return checkRange(Double(ms), node, field, path) ? .integer(ms) : nil
    case (.size, .string(let text)):
      guard let bytes = UnitText.byteCount(text) else { break }
      return checkRange(Double(bytes), node, field, path) ? .integer(bytes) : nil
    case (.size, .integer(let bytes)) where bytes >= 0:
      return checkRange(Double(bytes), node, field, path) ? .integer(bytes) : nil
    case (.array(let items), .array(let nodes)):
      guard checkLength(nodes.count, node, field, path, "elements") else { return nil }
      guard let items else { return .array(nodes.map(\.policyValue)) }
      return .array(nodes.enumerated().compactMap { value($1, items, path: "\(path)[\($0 + 1)]") })
    // Lua's empty table, as a default, may mean an empty list.
    case (.array, .map(let entries)) where entries.isEmpty && node.line == 0: return .array([])
    case (.map, .array(let nodes)) where nodes.isEmpty && node.line == 0: return .map([])
    case (.map(let values), .map(let entries)):
      guard checkLength(entries.count, node, field, path, "entries") else { return nil }
      guard let values else { return node.policyValue }
      return .map(
        entries.compactMap { entry in
          value(entry.value, values, path: "\(path).\(entry.key)").map { PolicyValue.Entry(entry.key, $0) }
        })
    case (.object(let members), .map): return object(node, members, path: path)
    case (.enumeration(let values), _):
      let candidate = node.policyValue
      if values.contains(candidate) { return candidate }
      let hint = candidate.text.flatMap { nearestName(to: $0, among: values.compactMap(\.text)) }
      report(node, "\(path) must be \(field.expectation)", hint: hint.map { "did you mean \($0)?" } ?? "")
      return nil
    case (.oneOf(let fields), _):
      for field in fields {
        var attempt = self
        attempt.problems = []
        if let value = attempt.value(node, field, path: path), attempt.problems.isEmpty {
          files = attempt.files
          warnings = attempt.warnings
          return value
        }
      }
    case (.file, .string(let name)): return readFile(name, node, path)
    default: break
    }
    report(node, "\(path) must be \(field.expectation), not \(node.kind)")
    return nil
  }

  /// A secret as it is written, or what stands in the file of `file:path`, but for its last line's end.
  private mutating func secret(_ written: String, _ node: ConfigNode, _ path: String) -> String? {
    guard written.hasPrefix("file:") else { return written }
    let full = absolute(String(written.dropFirst(5)))
    let bytes: [UInt8]
    do throws(Diagnostic) { bytes = try PolicyFolder.read(full) } catch {
      report(node, "\(path): \(full) \(error.message)")
      return nil
    }
    var hash = ContentHash()
    hash.add(bytes)
    files.append((full, hash.value))
    guard let text = String(validating: bytes, as: UTF8.self) else {
      report(node, "\(path): \(full) is not UTF-8 text")
      return nil
    }
    let end = text.unicodeScalars.lastIndex { $0 != "\n" && $0 != "\r" }
    guard let end else {
      report(node, "\(path): \(full) is empty")
      return nil
    }
    return String(text.unicodeScalars[...end])
  }

  private func absolute(_ name: String) -> String {
    name.hasPrefix("/") || directory.isEmpty ? name : directory + "/" + name
  }

  /// Says what would make a URL of a text that is none.
  private mutating func refuse(_ text: String, _ node: ConfigNode, _ path: String) -> PolicyValue? {
    // What may hold a password is not repeated.
    let shown = text.utf8.count <= 100 && !text.contains("@") ? "\"\(text)\"" : "this text"
    let isNearly = !text.contains("://") && Self.isURL("http://" + text)
    report(
      node, "\(path) must be \(SchemaField(.url).expectation), not \(shown)",
      hint: isNearly && shown != "this text" ? "write http://\(text)" : "")
    return nil
  }

  private mutating func refuseBare(_ number: Int, _ node: ConfigNode, _ path: String) -> PolicyValue? {
    report(node, "\(path): \(number) has no unit", hint: "write \(number)ms or \(number)s")
    return nil
  }

  private mutating func readFile(_ name: String, _ node: ConfigNode, _ path: String) -> PolicyValue? {
    let full = absolute(name)
    do {
      let loaded = try load(full)
      files.append((full, loaded.hash))
      return loaded.content.policyValue
    } catch {
      problems.append(error)
      report(node, "\(path): \(full) cannot be read")
      return nil
    }
  }

  private mutating func checkRange(_ number: Double, _ node: ConfigNode, _ field: SchemaField, _ path: String) -> Bool {
    if let minimum = field.minimum, number < minimum {
      report(node, "\(path) must be at least \(Self.show(minimum, field))")
      return false
    }
    if let maximum = field.maximum, number > maximum {
      report(node, "\(path) must be at most \(Self.show(maximum, field))")
      return false
    }
    return true
  }

  private mutating func checkLength(
    _ count: Int, _ node: ConfigNode, _ field: SchemaField, _ path: String, _ unit: String
  ) -> Bool {
    if let minimum = field.minimumLength, count < minimum {
      report(node, "\(path) must have at least \(minimum) \(unit)")
      return false
    }
    if let maximum = field.maximumLength, count > maximum {
      report(node, "\(path) must have at most \(maximum) \(unit)")
      return false
    }
    return true
  }

  private static func show(_ number: Double, _ field: SchemaField) -> String {
    let text = Int(exactly: number).map { "\($0)" } ?? "\(number)"
    return switch field.kind {
    case .duration: text + " ms"
    case .size: text + " bytes"
    default: text
    }
  }

  private static func isURL(_ text: String) -> Bool {
    if case .success = FetchURL.parse(text) { return true }
    return false
  }
}

extension ConfigNode {
  fileprivate var isNull: Bool {
    if case .null = value { return true }
    return false
  }
}

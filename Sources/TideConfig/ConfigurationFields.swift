import TideCore

/// The entries of one map, each read as what it must be. Unknown keys are reported when it is made, with the nearest known one.
struct ConfigurationFields {
  let node: ConfigNode
  /// How messages call the map: `a cluster`.
  let what: String
  let reader: ConfigurationReader
  private let entries: [ConfigNode.Entry]

  /// - Returns: nil, and a report, when `node` is not a map.
  init?(_ node: ConfigNode, _ what: String, allowed: [String], reader: ConfigurationReader) {
    guard case .map(let entries) = node.value else {
      reader.report(
        node, "\(what) must be a map, not \(node.kind)", hint: "its keys: " + allowed.joined(separator: ", "))
      return nil
    }
    self.node = node
    self.what = what
    self.reader = reader
    self.entries = entries
    for entry in entries where !allowed.contains(entry.key) {
      let nearest = nearestName(to: entry.key, among: allowed).map { "did you mean `\($0)`? " } ?? ""
      reader.report(
        line: entry.keyLine, column: entry.keyColumn, "unknown key `\(entry.key)` in \(what)",
        hint: nearest + "allowed here: " + allowed.joined(separator: ", "))
    }
  }

  /// The value under `key`; nil when it is absent or null.
  subscript(key: String) -> ConfigNode? {
    guard let node = entries.first(where: { $0.key == key })?.value else { return nil }
    if case .null = node.value { return nil }
    return node
  }

  func contains(_ key: String) -> Bool { self[key] != nil }

  func wrongType(_ key: String, _ node: ConfigNode, _ expected: String) {
    reader.report(node, "`\(key)` of \(what) must be \(expected), not \(node.kind)")
  }

  func string(_ key: String) -> String? {
    guard let node = self[key] else { return nil }
    guard case .string(let text) = node.value else {
      wrongType(key, node, "a string")
      return nil
    }
    guard !text.isEmpty else {
      reader.report(node, "`\(key)` of \(what) must not be empty")
      return nil
    }
    return text
  }

  /// A name that stands in logs, metrics and other parts of the file: letters, digits, `.`, `_` and `-`.
  func name(_ key: String) -> String? {
    guard let text = string(key) else { return nil }
    guard text.utf8.count <= 64,
      text.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_" || $0 == ".") })
    else {
      reader.report(
        self[key], "`\(key)` of \(what) is not a name: `\(text)`", hint: "up to 64 letters, digits, `.`, `_` and `-`")
      return nil
    }
    return text
  }

  func requiredName(_ key: String) -> String {
    if !contains(key) { reader.report(node, "\(what) needs a `\(key)`") }
    return name(key) ?? ""
  }

  func boolean(_ key: String, default value: Bool) -> Bool {
    guard let node = self[key] else { return value }
    if case .boolean(let value) = node.value { return value }
    reader.report(
      node, "`\(key)` of \(what) must be true or false, not \(node.kind)",
      hint: "in YAML 1.2 `yes`, `no`, `on` and `off` are strings")
    return value
  }

  func integer(_ key: String, in range: ClosedRange<Int>, default value: Int) -> Int {
    guard let node = self[key] else { return value }
    guard case .integer(let number) = node.value else {
      wrongType(key, node, "a whole number")
      return value
    }
    guard range.contains(number) else {
      reader.report(
        node, "`\(key)` of \(what) must lie between \(range.lowerBound) and \(range.upperBound), not \(number)")
      return value
    }
    return number
  }

  func milliseconds(_ key: String, in range: ClosedRange<Int>, default value: Int) -> Int {
    guard let node = self[key] else { return value }
    guard case .string(let text) = node.value, let ms = DurationText.milliseconds(text) else {
      reader.report(
        node, "`\(key)` of \(what) must be a duration, not \(node.shown)", hint: "such as 250ms, 5s, 10m, 1h or 1d")
      return value
    }
    guard range.contains(ms) else {
      let least = DurationText.text(ms: range.lowerBound)
      reader.report(
        node,
        "`\(key)` of \(what) must lie between \(least) and \(DurationText.text(ms: range.upperBound)), not \(text)")
      return value
    }
    return ms
  }

  func bytes(_ key: String, in range: ClosedRange<Int>, default value: Int) -> Int {
    guard let node = self[key] else { return value }
    let size: Int? =
      switch node.value {
      case .string(let text): SizeText.bytes(text)
      case .integer(let number): number
      default: nil
      }
    guard let size else {
      reader.report(
        node, "`\(key)` of \(what) must be a size, not \(node.shown)", hint: "such as 512B, 64KiB, 10MiB or 1GiB")
      return value
    }
    guard range.contains(size) else {
      let bounds = "\(SizeText.text(bytes: range.lowerBound)) and \(SizeText.text(bytes: range.upperBound))"
      reader.report(node, "`\(key)` of \(what) must lie between \(bounds), not \(node.shown)")
      return value
    }
    return size
  }

  /// One of the cases of `Choice`. `later` lists values of the contract that this version does not have yet.
  func choice<Choice: RawRepresentable & CaseIterable>(
    _ key: String, default value: Choice, later: [String] = []
  ) -> Choice where Choice.RawValue == String {
    guard let node = self[key] else { return value }
    return choice(key, of: node, later: later) ?? value
  }

  func choice<Choice: RawRepresentable & CaseIterable>(
    _ key: String, of node: ConfigNode, later: [String] = []
  ) -> Choice? where Choice.RawValue == String {
    let allowed = Choice.allCases.map(\.rawValue)
    guard case .string(let text) = node.value else {
      wrongType(key, node, "one of " + allowed.joined(separator: ", "))
      return nil
    }
    if let choice = Choice(rawValue: text) { return choice }
    if later.contains(text) {
      notYet(node, "`\(key): \(text)`", use: allowed)
    } else {
      let nearest = nearestName(to: text, among: allowed).map { "did you mean `\($0)`? " } ?? ""
      reader.report(
        node, "`\(key)` of \(what) cannot be `\(text)`", hint: nearest + "allowed: " + allowed.joined(separator: ", "))
    }
    return nil
  }

  /// Refuses what the contract has and this version has not: accepted and ignored would be worse.
  func notYet(_ node: ConfigNode, _ feature: String, use allowed: [String]) {
    let hint = allowed.isEmpty ? "leave it out" : "allowed now: " + allowed.joined(separator: ", ")
    reader.report(node, "\(feature) is not supported by this version of tidegate", hint: hint)
  }

  /// nil when there is none, and after a report when it is no list.
  func list(_ key: String) -> [ConfigNode]? {
    guard let node = self[key] else { return nil }
    guard case .array(let items) = node.value else {
      wrongType(key, node, "a list")
      return nil
    }
    return items
  }

  /// A value or a list of values, as globs. Booleans and whole numbers count as what they are written as.
  func globs(_ key: String) -> [Glob] {
    guard let node = self[key] else { return [] }
    let items = if case .array(let items) = node.value { items } else { [node] }
    if items.isEmpty { reader.report(node, "`\(key)` of \(what) is an empty list, which nothing matches") }
    return items.compactMap { item in
      switch item.value {
      case .string(let text): return Glob(text)
      case .boolean(let value): return Glob(value ? "true" : "false")
      case .integer(let value): return Glob(String(value))
      default:
        wrongType(key, item, "a string, a glob or a list of them")
        return nil
      }
    }
  }

  /// An absolute path to a file that exists, which is then watched.
  func existingFile(_ key: String) -> String? {
    guard let text = string(key), let node = self[key] else { return nil }
    let path = FilePath.absolute(text, in: reader.folder)
    guard FilePath.isFile(path) else {
      reader.report(node, "`\(key)` of \(what): no such file: \(path)")
      return nil
    }
    reader.watch(path)
    return path
  }
}

extension ConfigNode {
  /// What it is, for `must be ..., not ...`.
  var kind: String {
    switch value {
    case .null: "nothing"
    case .boolean: "a boolean"
    case .integer, .number: "a number"
    case .string: "a string"
    case .array: "a list"
    case .map: "a map"
    }
  }

  /// A scalar as it is written, else its kind. Not for values that may be secret.
  var shown: String {
    switch value {
    case .boolean(let value): "`\(value)`"
    case .integer(let value): "`\(value)`"
    case .number(let value): "`\(value)`"
    case .string(let text): "`\(text)`"
    default: kind
    }
  }
}

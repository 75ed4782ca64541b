import TideCore
import TideLua
import TidePolicy

/// A table that a test passes: read by name, with an error for every name that nobody reads.
struct TestTable {
  private let what: String
  private let members: [(name: String, value: LuaValue)]
  /// The part of the table that is a list.
  let elements: [LuaValue]

  init(_ value: LuaValue, _ what: String, allowed: [String]) throws(TestProblem) {
    self.what = what
    guard let entries = value.entries else { throw TestProblem("\(what) must be a table, not a \(value.typeName)") }
    var elements: [LuaValue] = []
    var members: [(String, LuaValue)] = []
    for (key, value) in entries {
      if key.integerValue != nil {
        elements.append(value)
      } else if let name = key.text {
        guard allowed.contains(name) else {
          let hint = nearestName(to: name, among: allowed).map { "did you mean '\($0)'?" }
          throw TestProblem(
            "\(what): unknown key '\(name)' (\(hint ?? "known keys: " + allowed.joined(separator: ", ")))")
        }
        members.append((name, value))
      }
    }
    self.elements = elements
    self.members = members
  }

  subscript(name: String) -> LuaValue? {
    members.first { $0.name == name }?.value
  }

  func problem(_ name: String, _ expected: String) -> TestProblem {
    TestProblem("\(what): '\(name)' must be \(expected), not a \(self[name]?.typeName ?? "nil")")
  }

  func text(_ name: String) throws(TestProblem) -> String? {
    guard let value = self[name] else { return nil }
    guard let text = value.text else { throw problem(name, "a string") }
    return text
  }

  func integer(_ name: String) throws(TestProblem) -> Int? {
    guard let value = self[name] else { return nil }
    guard let number = value.integerValue else { throw problem(name, "a whole number") }
    return Int(number)
  }

  func boolean(_ name: String) throws(TestProblem) -> Bool? {
    guard let value = self[name] else { return nil }
    guard let flag = value.booleanValue else { throw problem(name, "true or false") }
    return flag
  }

  /// A list; a single value stands for a list of one.
  func list(_ name: String) throws(TestProblem) -> [LuaValue]? {
    guard let value = self[name] else { return nil }
    switch value {
    case .array(let elements): return elements
    case .map: return [value]
    default: throw problem(name, "a list")
    }
  }

  func strings(_ name: String) throws(TestProblem) -> [String]? {
    guard let list = try list(name) else { return nil }
    let texts = list.compactMap(\.text)
    guard texts.count == list.count else { throw problem(name, "a list of strings") }
    return texts
  }

  /// String keys to values.
  func map(_ name: String) throws(TestProblem) -> [(key: String, value: LuaValue)]? {
    guard let value = self[name] else { return nil }
    guard let entries = value.entries else { throw problem(name, "a table") }
    return entries.map { ($0.key.text ?? "", $0.value) }
  }

  /// Milliseconds: a number, or a string such as `"10s"`.
  static func milliseconds(_ value: LuaValue) -> Int? {
    if let number = value.numberValue { return Int(exactly: number.rounded()) }
    return value.text.flatMap { UnitText.milliseconds($0) }
  }
}

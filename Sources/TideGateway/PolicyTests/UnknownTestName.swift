import TideCore

/// What a test file is told of a name that it does not have.
enum UnknownTestName {
  /// What other runners call the same.
  private static let otherNames: [String: String] = [
    "equal": "eq", "equals": "eq", "same": "eq", "is": "eq", "assert": "ok", "truthy": "ok", "is_true": "ok",
    "match": "matches", "error": "raises", "throws": "raises", "has_error": "raises", "print": "log",
    "sleep": "advance",
  ]
  private static let prefix = "unknown name 'tide."

  /// Adds to the machine's message about a name under `tide` what is there instead; other messages stay.
  static func explained(_ message: String) -> String {
    guard message.hasPrefix(prefix) else { return message }
    let name = message.dropFirst(prefix.count).prefix { $0 != "'" }
    let methods = PolicyTestHost.Function.allCases.compactMap(\.path).filter { $0.hasPrefix("tide.t.") }
      .map { String($0.dropFirst("tide.t.".count)) }
    guard name.hasPrefix("t.") else {
      return message
        + ": a test file has tide.test and tide.bench, and in a test what it gets as t: "
        + methods.map { "t.\($0)" }.joined(separator: ", ")
        + ". What policies have is not there: a test looks at them from outside"
    }
    let asked = String(name.dropFirst(2))
    let meant = otherNames[asked.lowercased()] ?? nearestName(to: asked, among: methods)
    let hint = meant.map { "did you mean t.\($0)?" } ?? "there are " + methods.map { "t.\($0)" }.joined(separator: ", ")
    // A test knows it by its own name.
    return message.replacing("'tide.t.", with: "'t.") + " (\(hint))"
  }
}

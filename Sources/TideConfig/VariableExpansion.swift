import TideCore

/// Replaces `${NAME}` and `${NAME:-default}` in a scalar's text; `$${` stands for a literal `${`.
///
/// Works on parsed scalars, so that a value can never add keys or lines to the file. The default stands up to the next `}` and is
/// taken when the variable is unset or empty, as in a shell.
struct VariableExpansion {
  let environment: [String: String]
  private(set) var diagnostics: [Diagnostic] = []

  init(environment: [String: String]) { self.environment = environment }

  mutating func expand(_ text: inout String, file: String, line: Int, column: Int) {
    guard text.contains("${") else { return }
    var result = ""
    var rest = Substring(text)
    while let dollar = rest.firstRange(of: "${") {
      if dollar.lowerBound > rest.startIndex, rest[rest.index(before: dollar.lowerBound)] == "$" {
        result += rest[..<rest.index(before: dollar.lowerBound)] + "${"
        rest = rest[dollar.upperBound...]
        continue
      }
      result += rest[..<dollar.lowerBound]
      guard let end = rest[dollar.upperBound...].firstIndex(of: "}") else {
        report("`${` without `}`", "write `$${` for a literal `${`", file, line, column)
        return
      }
      result += value(of: rest[dollar.upperBound..<end], file, line, column) ?? ""
      rest = rest[rest.index(after: end)...]
    }
    text = result + rest
  }

  private mutating func value(of reference: Substring, _ file: String, _ line: Int, _ column: Int) -> String? {
    let separator = reference.firstRange(of: ":-")
    let name = String(reference[..<(separator?.lowerBound ?? reference.endIndex)])
    guard let first = name.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first),
      name.utf8.allSatisfy({
        $0 == UInt8(ascii: "_") || ($0 < 0x80 && Character(UnicodeScalar($0)).isLetter)
          || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
      })
    else {
      report(
        "`${\(reference)}` is not a variable's name",
        "write `${NAME}`, `${NAME:-default}`, or `$${` for a literal `${`",
        file, line, column)
      return nil
    }
    let value = environment[name]
    if let separator { return value.flatMap { $0.isEmpty ? nil : $0 } ?? String(reference[separator.upperBound...]) }
    if value == nil {
      report(
        "the environment variable `\(name)` is not set", "set it, or write `${\(name):-default}`", file, line, column)
    }
    return value
  }

  private mutating func report(_ message: String, _ hint: String, _ file: String, _ line: Int, _ column: Int) {
    diagnostics.append(Diagnostic(file: file, line: line, column: column, message: message, hint: hint))
  }
}

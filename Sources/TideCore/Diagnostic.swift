/// Something wrong in a file that a user wrote: where, what, and what would be right.
public struct Diagnostic: Error, Sendable, Equatable, CustomStringConvertible {
  public enum Severity: String, Sendable { case error, warning }

  public var severity: Severity
  /// As the user wrote it; empty when the problem has no file.
  public var file: String
  /// From 1; 0 when unknown.
  public var line: Int
  public var column: Int
  public var message: String
  /// What to do about it; empty when the message says it all.
  public var hint: String

  public init(
    _ severity: Severity = .error, file: String, line: Int = 0, column: Int = 0, message: String, hint: String = ""
  ) {
    self.severity = severity
    self.file = file
    self.line = line
    self.column = column
    self.message = message
    self.hint = hint
  }

  /// `file:line:column: error: message (hint)`, the form editors understand.
  public var description: String {
    var text = file
    if line > 0 { text += ":\(line)" }
    if line > 0 && column > 0 { text += ":\(column)" }
    text += (text.isEmpty ? "" : ": ") + severity.rawValue + ": " + message
    return hint.isEmpty ? text : text + " (\(hint))"
  }
}

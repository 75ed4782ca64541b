import TideCore

/// What a lint looks for, by the name that a comment `-- tide: allow <rule>` silences.
public enum LintRule: String, CaseIterable, Sendable {
  /// A global that is written, or read and not there.
  case global
  /// A name that a library does not have: `string.fromat`, `tide.denny`.
  case member
  /// A field that `ctx` does not have, or a function of it that is not called with a colon.
  case field = "ctx-field"
  /// A field that is not known yet in the hook.
  case early = "ctx-early"
  /// A field that the hook may not write.
  case write = "ctx-write"
  /// A key that the schema does not have.
  case config = "cfg-key"
  /// `cfg` after `on_load`.
  case configWrite = "cfg-write"
  /// A function of `tide` that is called with what it does not take.
  case arguments
  /// A field that a lane, a tool call or an upstream's error does not have.
  case value = "value-field"
  /// A hook that takes `self`.
  case colon
  /// A function that waits, where nothing may.
  case wait
  /// A verdict that the hook may not return.
  case verdict
  /// A value that the hook may not return, written out.
  case result
  /// A verdict that nobody returns.
  case unused
  /// A comment that allows what is no rule.
  case allow

  /// Whether what it finds keeps a generation from serving: it raises, or does nothing, where somebody relies on it.
  var severity: Diagnostic.Severity { self == .allow ? .warning : .error }
}

/// What a lint found, as it is before comments silence it.
struct LintFinding: Hashable {
  var line: Int
  var rule: LintRule
  var message: String
  /// What to do about it.
  var hint: String

  func diagnostic(file: String) -> Diagnostic {
    Diagnostic(rule.severity, file: file, line: line, message: "\(message) [\(rule.rawValue)]", hint: hint)
  }
}

/// What comes of mistakes that a look at the source of a bound policy finds.
public enum LintMode: String, Sendable, CaseIterable {
  /// What would raise, or do nothing, once a hook runs keeps a generation from serving.
  case refuse
  /// It is told, and served all the same.
  case warn
  /// Nobody looks.
  case off
}

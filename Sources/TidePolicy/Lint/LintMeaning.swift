/// What a value is, as far as the source shows it.
enum LintMeaning: Hashable {
  case unknown
  /// `ctx`, or one of its groups.
  case context(ContextField?)
  /// `cfg`, or what stands in it under these keys.
  case config([String])
  /// What a hook is given besides, by the name of its class: `tide.Lane`.
  case value(String)
  /// The table that lane hooks share.
  case state
  /// A copy of a field's table, or a table in it; and what `ipairs` or `pairs` makes of one.
  case copy(ContextField), copyLoop(ContextField)
  /// What `each_text` loops over, and one of its parts.
  case parts, part
  /// Something of the sandbox, by its path: `tide`, `tide.limit.take`, `string`.
  case library(String)
  /// A function of the source.
  case function(Int)
  /// A verdict, by the function that made it.
  case verdict(HostFunction)
}

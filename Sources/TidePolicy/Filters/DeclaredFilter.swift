import TideDialects

/// One entry of a policy's `filters`, as `tide.filter` made it.
struct DeclaredFilter: Equatable, Sendable {
  /// What `ctx.filters` calls it: the function's name where the policy gives none.
  var name: String
  var declaration: FilterDeclaration
  /// Nil: the policy's own.
  var channels: ChannelSet?
}

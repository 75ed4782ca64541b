import TideDialects

/// What one exchange has told one binding's filters.
struct FilterState {
  /// Filters out of action, a bit for each place in the policy's list.
  var disabled: UInt64 = 0
  /// By name: what `ctx.prompt:mask` took out, for `restore`.
  var maps: [String: PlaceholderMap] = [:]
}

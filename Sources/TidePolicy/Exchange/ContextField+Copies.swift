/// Fields whose values are tables that a script gets a copy of: writing to one would change nothing.
extension ContextField {
  static let copies = allCases.filter { $0.remedy != nil }

  /// What to do instead of writing to the table; nil for what is no such copy.
  var remedy: String? {
    switch self {
    case .promptMessages:
      "on_request changes them with ctx.prompt:replace(index, { role = ..., text = ... }), or with part.text in ctx.prompt:each_text {}"
    case .promptTools: "which tools a client offers is not a policy's to change"
    case .paramStop: "on_request sets it whole: ctx.params.stop = { ... }"
    case .authClaims: "on_auth sets them with tide.identity; ctx.vars holds what is a policy's own"
    default: nil
    }
  }

  /// What writing to the table raises.
  var copyRefusal: String? {
    remedy.map { "ctx.\(entry.path) is a copy that nobody reads again, so it is read-only: \($0)" }
  }
}

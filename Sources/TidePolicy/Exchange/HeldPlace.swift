/// A place of `tide.limit.concurrent` that an exchange holds.
struct HeldPlace {
  let key: SharedStore.Key
  /// Where gateways share the places: the limit's name there.
  var shared: LimitKey?
  /// And what tells this place from all others.
  var member = ""
}

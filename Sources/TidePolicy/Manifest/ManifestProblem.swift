/// A mistake in the table that a policy's file returned.
struct ManifestProblem {
  var message: String
  /// The keys under which it stands, outermost first; as far as they are known.
  var keys: [String]
}

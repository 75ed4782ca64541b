/// What stands in a prompt for a value that the model must not see: `<EMAIL_1>`.
public enum Placeholder {
  /// The form that `restore` looks for.
  static let pattern = "<[A-Z]{2,16}_[1-9][0-9]{0,8}>"

  /// The placeholder of the `number`th value of a kind, from 1.
  public static func text(_ kind: EntityKind, _ number: Int) -> String { "<\(kind.name.uppercased())_\(number)>" }
}

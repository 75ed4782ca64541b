/// Why a pattern is refused, and where.
public struct RegexSyntaxError: Error, Sendable, Equatable, CustomStringConvertible {
  public var message: String
  /// Bytes of the pattern before the place; nil when the pattern as a whole is too large.
  public var offset: Int?

  init(_ message: String, at offset: Int? = nil) {
    self.message = message
    self.offset = offset
  }

  /// The message with its place, counted from 1.
  public var description: String { offset.map { "\(message) at byte \($0 + 1)" } ?? message }
}

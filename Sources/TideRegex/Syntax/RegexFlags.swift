/// How a pattern is read; `(?ims)` inside it changes them from there to the end of the group.
public struct RegexFlags: OptionSet, Sendable, Hashable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// `i`: letters match in any case, by Unicode's simple folding.
  public static let ignoreCase = RegexFlags(rawValue: 1)
  /// `m`: `^` and `$` match at every line, not only at the ends of the text.
  public static let multiline = RegexFlags(rawValue: 2)
  /// `s`: `.` matches a line feed too.
  public static let dotMatchesLineFeed = RegexFlags(rawValue: 4)

  /// The flag of a letter.
  public init?(letter: Unicode.Scalar) {
    switch letter {
    case "i": self = .ignoreCase
    case "m": self = .multiline
    case "s": self = .dotMatchesLineFeed
    default: return nil
    }
  }
}

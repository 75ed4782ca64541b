/// What is logged, how and where.
public struct LogConfiguration: Sendable, Equatable {
  /// The levels of swift-log, by the same names.
  public enum Level: String, Sendable, CaseIterable { case trace, debug, info, notice, warning, error, critical }

  public enum Format: String, Sendable, CaseIterable {
    /// Text on a terminal, JSON otherwise.
    case automatic = "auto"
    case text
    case json
  }

  /// Where the access log goes.
  public enum Access: Sendable, Equatable {
    case stdout
    case stderr
    case off
    /// An absolute path, appended to.
    case file(String)
  }

  public var level = Level.info
  public var format = Format.automatic
  public var access = Access.stdout

  public init() {}
}

/// How much of a lane's text may wait for the rest of a match, and for how long.
public struct FilterHold: Equatable, Sendable {
  /// The longest match, and the most that is held, in bytes.
  public var byteCount: Int
  /// How long a byte may be held, in milliseconds. The scanner has no clock: its owner calls `FilterScanner.flush`.
  public var timeMs: Int
  /// What happens at a bound: false lets the text go, true ends the answer, since it could not be judged.
  public var isStrict: Bool

  public static let byteCountRange = 16...65_536

  public init(byteCount: Int = 256, timeMs: Int = 300, isStrict: Bool = false) {
    self.byteCount = min(max(byteCount, Self.byteCountRange.lowerBound), Self.byteCountRange.upperBound)
    self.timeMs = timeMs
    self.isStrict = isStrict
  }
}

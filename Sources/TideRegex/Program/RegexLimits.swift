/// How large a pattern may be. Compiling takes about a microsecond for each byte and instruction, and cannot be interrupted.
public struct RegexLimits: Sendable {
  /// Of the pattern's text.
  public var byteCountMax: Int
  /// Of the program: what repetitions and classes come to.
  public var instructionCountMax: Int

  public init(byteCountMax: Int, instructionCountMax: Int) {
    self.byteCountMax = byteCountMax
    self.instructionCountMax = instructionCountMax
  }

  /// For patterns that are compiled once: some 20 ms at the most.
  public static let standard = RegexLimits(byteCountMax: 64 << 10, instructionCountMax: 20_000)
  /// For patterns that are compiled while somebody waits: under 2 ms.
  public static let small = RegexLimits(byteCountMax: 1 << 10, instructionCountMax: 2_000)
}

/// How far a coded body may expand: one rule for every coding, checked before each block is handed out.
///
/// A body that is collected has a limit of its length. An event stream has none, since it may honestly live for hours: what bounds it
/// is the ratio over all that has come, so that each byte of its sender buys at most a hundred. The ratio is that of the whole stream and
/// not of its latest part, because streams honestly end in repetitions: the last events of a Responses stream carry the whole text four
/// times, and compress to almost nothing. Nor could a late part that expands without measure fill memory: blocks are small, whoever
/// takes them holds back until its client has read, and no event may be longer than 1 MiB.
public struct DecodingLimits: Sendable, Equatable, BitwiseCopyable {
  /// Bytes out for each byte in, beyond `ratioFloor`. Honest event streams reach 30.
  public static let ratio = 100
  /// Any body may expand to this, however few bytes it has: as much as the longest event.
  public static let ratioFloor = 1 << 20
  /// The largest window, as a power of two; 8 MiB, which is also what RFC 9659 asks of senders of zstd.
  public static let windowLog: Int32 = 23

  /// Bytes of the whole body; nil for a stream.
  public var byteCount: Int?

  public init(byteCount: Int?) { self.byteCount = byteCount }

  /// What is wrong with a body that has given `produced` bytes for `consumed`.
  func judge(produced: Int, consumed: Int) -> DecodingFailure? {
    if let byteCount, produced > byteCount { return .tooLarge }
    let allowed = consumed.multipliedReportingOverflow(by: Self.ratio)
    guard !allowed.overflow else { return nil }
    return produced &- Self.ratioFloor > allowed.partialValue ? .ratio : nil
  }
}

/// One piece of a lane's text, as offsets into the buffer that it was handed out with.
public struct Segment: Equatable, Sendable, BitwiseCopyable {
  public var start: Int32
  public var end: Int32
  /// True for a word, line, sentence, ...; false for what lies between them and passes as it came.
  ///
  /// Units are the same wherever the bytes were cut. What lies between may come in any number of pieces.
  public var isUnit: Bool

  public init(start: Int32, end: Int32, isUnit: Bool) {
    self.start = start
    self.end = end
    self.isUnit = isUnit
  }
}

/// Finds the lines of a head as its bytes arrive.
///
/// Pure and without storage: positions count from the head's first byte, and the caller keeps the bytes together. A verdict
/// depends on the bytes alone, never on how they were split: each line is judged as soon as a byte settles it, in order.
struct HTTP1LineScanner {
  enum Step: Equatable {
    case incomplete
    /// The line has more than `limit` bytes.
    case tooLong
    /// A bare CR or LF, or a control byte other than a tab.
    case illegal
    /// A line, its CRLF left out.
    case line(HTTP1Slice)
  }

  /// Where the next line begins.
  private(set) var lineStart = 0
  private var scanned = 0

  mutating func next(in head: UnsafeRawBufferPointer, limit: Int) -> Step {
    var index = scanned
    while index < head.count {
      let byte = head[index]
      if byte >= 0x20, byte != 0x7F {
        index &+= 1
        continue
      }
      if byte == HTTP1Grammar.tab {
        index &+= 1
        continue
      }
      break
    }
    scanned = index
    let count = index &- lineStart
    if count > limit { return .tooLong }
    guard index < head.count else { return .incomplete }
    guard head[index] == HTTP1Grammar.cr else { return .illegal }
    guard index &+ 1 < head.count else { return .incomplete }
    guard head[index &+ 1] == HTTP1Grammar.lf else { return .illegal }
    let line = HTTP1Slice(start: lineStart, count: count)
    lineStart = index &+ 2
    scanned = lineStart
    return .line(line)
  }
}

import TideCore

#if canImport(Glibc)
  import Glibc
#endif

/// Cuts a lane's text into units that are the same wherever its bytes were cut.
///
/// Between units lies what passes at once: spaces and punctuation between words, line ends between lines, white space between sentences.
/// A unit that is whole inside the text given is handed out where it stands; only a trailing part is held, in a small buffer, and a
/// unit longer than `maxHeld` bytes comes in pieces of that length, the same pieces whatever the cuts.
public struct Segmenter: Sendable {
  public enum Unit: Equatable, Sendable {
    /// A run of letters, digits, marks and underscores, apostrophes inside it included. A Han or Hiragana character is a word of its
    /// own, since those scripts put no space between words.
    case word
    /// Up to a line feed; the line end (CR LF too) is not part of it.
    case line
    /// Up to `.`, `!`, `?`, `…` with closing quotes or brackets before white space, up to `。`, `！`, `？`, or up to a line feed.
    case sentence
    /// All of the lane's text, at its end.
    case lane
    /// This many bytes, less what is needed not to cut a character.
    case bytes(Int)
  }

  public let unit: Unit
  /// The longest unit in bytes.
  public let maxHeld: Int
  /// The unfinished unit; empty in the common case, and never longer than a unit and what decides its end.
  private var held: [UInt8] = []
  /// Units of the text in hand, kept for their storage.
  private var found = ContiguousArray<Segment>()

  /// - Parameter maxHeld: bytes; nil is 256 for words, 4096 for lines and sentences, 1 MiB for a lane.
  public init(unit: Unit, maxHeld: Int? = nil) {
    self.unit = unit
    let natural =
      switch unit {
      case .word: 256
      case .line, .sentence: 4096
      case .lane: 1 << 20
      case .bytes(let count): count
      }
    self.maxHeld = min(max(maxHeld ?? natural, 8), 1 << 24)
  }

  /// Bytes that wait for the rest of their unit.
  public var heldByteCount: Int { held.count }

  /// Feeds text and hands out each piece in order.
  public mutating func feed(_ text: UnsafeRawBufferPointer, _ emit: (UnsafeRawBufferPointer, _ isUnit: Bool) -> Void) {
    feedBatch(text) { buffer, segments in Self.each(buffer, segments, emit) }
  }

  /// Hands out what is held: the lane has ended.
  public mutating func finish(_ emit: (UnsafeRawBufferPointer, _ isUnit: Bool) -> Void) {
    finishBatch { buffer, segments in Self.each(buffer, segments, emit) }
  }

  /// Feeds text and hands out all of its pieces at once, as offsets into one buffer (what was held, then the text); not called
  /// when nothing is due. The segments cover the buffer's beginning without gaps.
  public mutating func feedBatch(
    _ text: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer, UnsafeBufferPointer<Segment>) -> Void
  ) {
    guard !text.isEmpty else { return }
    if held.isEmpty {
      let used = hand(out: text, isEnd: false, body)
      if used < text.count { held.append(contentsOf: text[used...]) }
      return
    }
    held.append(contentsOf: text)
    // A lane is due only at its end: looking at all of it for every delta would cost its length each time.
    if unit == .lane, held.count <= maxHeld { return }
    var all = held
    held = []
    let used = all.withUnsafeBytes { hand(out: $0, isEnd: false, body) }
    all.removeFirst(used)
    held = all
  }

  /// As `feedBatch`, at the lane's end.
  public mutating func finishBatch(_ body: (UnsafeRawBufferPointer, UnsafeBufferPointer<Segment>) -> Void) {
    guard !held.isEmpty else { return }
    let all = held
    held = []
    all.withUnsafeBytes { _ = hand(out: $0, isEnd: true, body) }
  }

  private static func each(
    _ buffer: UnsafeRawBufferPointer, _ segments: UnsafeBufferPointer<Segment>,
    _ emit: (UnsafeRawBufferPointer, Bool) -> Void
  ) {
    for segment in segments {
      emit(UnsafeRawBufferPointer(rebasing: buffer[Int(segment.start)..<Int(segment.end)]), segment.isUnit)
    }
  }

  /// Returns how many bytes the segments cover.
  private mutating func hand(
    out buffer: UnsafeRawBufferPointer, isEnd: Bool,
    _ body: (UnsafeRawBufferPointer, UnsafeBufferPointer<Segment>) -> Void
  ) -> Int {
    found.removeAll(keepingCapacity: found.capacity <= 64)
    var cutter = SegmentCutter(buffer, unit: unit, maxHeld: maxHeld, isEnd: isEnd)
    while let segment = cutter.next() { found.append(segment) }
    guard let last = found.last else { return 0 }
    found.withUnsafeBufferPointer { body(buffer, $0) }
    return Int(last.end)
  }
}

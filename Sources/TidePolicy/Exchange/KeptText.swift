import TideCore

/// The beginning of an answer's text, kept while it passes.
struct KeptText {
  static let byteCountMax = 64 << 10

  private var bytes: [UInt8] = []
  private var isFull = false
  /// What was there before the event in hand, which may be handled again.
  private var settledCount = 0
  private var wasFull = false

  /// Whole characters.
  var text: String { String(decoding: bytes, as: UTF8.self) }

  /// - Parameter text: whole characters.
  mutating func append(_ text: UnsafeRawBufferPointer) {
    guard !isFull, !text.isEmpty else { return }
    var count = min(text.count, Self.byteCountMax - bytes.count)
    isFull = count < text.count
    while isFull, count > 0, text[count] & 0xC0 == 0x80 { count -= 1 }
    bytes.append(contentsOf: text[..<count])
  }

  /// An event begins, for the first time or again: what it has brought so far is forgotten.
  mutating func eventBegins() {
    bytes.removeLast(bytes.count - settledCount)
    isFull = wasFull
  }

  mutating func eventEnded() {
    settledCount = bytes.count
    wasFull = isFull
  }
}

import Glibc
import TideCore

/// Finds the tokens in the chunks of one token stream, whatever way they were cut.
///
/// Made for a client that reads hundreds of thousands of tokens a second on the core it shares with what it measures: the
/// events of a stream are alike, so each is first looked at where the one before had what is sought. Knows the streams of OpenAI's
/// API (`content` and `text`, ended by `[DONE]`) and of Anthropic's (`text`, ended by `message_stop`).
struct TokenScanner {
  /// The longest line, to within one read: far above any event of an API.
  static let lineLimit = 1 << 20

  /// The beginning of a line that has not ended yet.
  private var held: [UInt8] = []
  /// Where, in the event before, the token's text began and, counted from its end, the instant it was due.
  private var textOffset = 0
  private var dueDistance = 0
  /// The terminal marker was seen.
  private(set) var isDone = false
  /// An error event was seen.
  private(set) var hasError = false
  /// A line was longer than the limit. Nothing is read of the stream from there on.
  private(set) var isOverlong = false

  /// Feeds bytes; calls `token` for each token with the instant it was due, or 0.
  @inline(__always)
  mutating func feed(_ bytes: UnsafeRawBufferPointer, _ token: (UInt64) -> Void) {
    guard let base = bytes.baseAddress, bytes.count > 0 else { return }
    if held.isEmpty {
      guard !isOverlong else { return }
      let used = scan(base, bytes.count, token)
      if used < bytes.count { hold(UnsafeRawBufferPointer(start: base + used, count: bytes.count - used)) }
      return
    }
    hold(bytes)
    // Without the end of a line there is nothing to look at, however small the pieces are.
    guard memchr(base, 0x0A, bytes.count) != nil else { return }
    var joined: [UInt8] = []
    swap(&joined, &held)
    let used = joined.withUnsafeBytes { line in line.baseAddress.map { scan($0, line.count, token) } ?? 0 }
    if used < joined.count { held = Array(joined[used...]) }
  }

  private mutating func hold(_ bytes: UnsafeRawBufferPointer) {
    held.append(contentsOf: bytes)
    guard held.count > Self.lineLimit else { return }
    held = []
    isOverlong = true
  }

  /// Scans whole lines and returns how many bytes they took. A blank line between two is passed in one step.
  private mutating func scan(_ base: UnsafeRawPointer, _ count: Int, _ token: (UInt64) -> Void) -> Int {
    var start = 0
    while start < count, let line = memchr(base + start, 0x0A, count &- start) {
      let end = UnsafeRawPointer(line) - base
      if end &- start > 7 { readLine(base + start, end &- start, token) }
      start = end &+ 1
      if start < count, base.load(fromByteOffset: start, as: UInt8.self) == 0x0A { start &+= 1 }
    }
    return start
  }

  private mutating func readLine(_ line: UnsafeRawPointer, _ count: Int, _ token: (UInt64) -> Void) {
    guard line.loadUnaligned(as: UInt32.self) == Self.dataPrefix,
      line.load(fromByteOffset: 4, as: UInt8.self) == UInt8(ascii: ":")
    else { return }
    if hasText(line, count) { return token(due(line, count)) }
    readOther(line, count)
  }

  /// `data` as it lies in memory.
  private static let dataPrefix = UInt32(littleEndian: 0x6174_6164)

  /// An event without text: the end, an error, or nothing of interest.
  private mutating func readOther(_ line: UnsafeRawPointer, _ count: Int) {
    let start = line.load(fromByteOffset: 5, as: UInt8.self) == UInt8(ascii: " ") ? 6 : 5
    func begins(with text: StaticString) -> Bool {
      count &- start >= text.utf8CodeUnitCount && memcmp(line + start, text.utf8Start, text.utf8CodeUnitCount) == 0
    }
    if begins(with: "[DONE]") || begins(with: "{\"type\":\"message_stop\"") { isDone = true }
    if begins(with: "{\"error\"") || begins(with: "{\"type\":\"error\"") { hasError = true }
  }

  /// Whether the event has a text that is not empty.
  @inline(__always)
  private mutating func hasText(_ line: UnsafeRawPointer, _ count: Int) -> Bool {
    if isKey("content\":\"", 10, line, count, at: textOffset) || isKey("\"text\":\"", 8, line, count, at: textOffset) {
      return line.load(fromByteOffset: textOffset, as: UInt8.self) != UInt8(ascii: "\"")
    }
    return findText(line, count)
  }

  private mutating func findText(_ line: UnsafeRawPointer, _ count: Int) -> Bool {
    guard let found = end(of: "content\":\"", 10, line, count) ?? end(of: "\"text\":\"", 8, line, count) else {
      return false
    }
    textOffset = found
    return textOffset < count && line.load(fromByteOffset: textOffset, as: UInt8.self) != UInt8(ascii: "\"")
  }

  /// Whether `key` ends right before `offset`.
  @inline(__always)
  private func isKey(_ key: StaticString, _ length: Int, _ line: UnsafeRawPointer, _ count: Int, at offset: Int) -> Bool
  {
    offset >= length && offset < count && memcmp(line + (offset &- length), key.utf8Start, length) == 0
  }

  /// The offset behind the first `key` in the line.
  private func end(of key: StaticString, _ length: Int, _ line: UnsafeRawPointer, _ count: Int) -> Int? {
    var from = 0
    let first = Int32(key.utf8Start.pointee)
    while count &- from >= length, let hit = memchr(line + from, first, count &- from &- length &+ 1) {
      let offset = UnsafeRawPointer(hit) - line
      if memcmp(hit, key.utf8Start, length) == 0 { return offset &+ length }
      from = offset &+ 1
    }
    return nil
  }

  private mutating func due(_ line: UnsafeRawPointer, _ count: Int) -> UInt64 {
    var start = count &- dueDistance
    if dueDistance == 0 || !isKey("\"due\":", 6, line, count, at: start) {
      guard let found = end(of: "\"due\":", 6, line, count) else { return 0 }
      start = found
      dueDistance = count &- start
    }
    var value: UInt64 = 0
    while start < count {
      let digit = line.load(fromByteOffset: start, as: UInt8.self) &- UInt8(ascii: "0")
      guard digit < 10 else { break }
      value = value &* 10 &+ UInt64(digit)
      start &+= 1
    }
    return value
  }
}

import Glibc
import TideCore

/// Finds the tokens in the chunks of one token stream, whatever way they were cut.
///
/// Made for a client that reads hundreds of thousands of tokens a second on the core it shares with what it measures: the
/// events of a stream are alike, so each is first looked at where the one before had what is sought.
struct TokenScanner {
  /// The beginning of an event that has not ended yet.
  private var held: [UInt8] = []
  /// Where, in the event before, the token's text began and, counted from its end, the instant it was due.
  private var textOffset = 0
  private var dueDistance = 0
  /// The event of the terminal marker was seen.
  private(set) var isDone = false

  /// Feeds bytes; calls `token` for each token with the instant it was due, or 0.
  @inline(__always)
  mutating func feed(_ bytes: UnsafeRawBufferPointer, _ token: (UInt64) -> Void) {
    guard let base = bytes.baseAddress, bytes.count > 0 else { return }
    if held.isEmpty {
      let used = scan(base, bytes.count, token)
      if used < bytes.count {
        held.append(contentsOf: UnsafeRawBufferPointer(start: base + used, count: bytes.count - used))
      }
      return
    }
    var joined = held
    joined.append(contentsOf: bytes)
    held = []
    let used = joined.withUnsafeBytes { scan($0.baseAddress!, $0.count, token) }
    if used < joined.count { held = Array(joined[used...]) }
  }

  /// Scans whole events and returns how many bytes they took.
  private mutating func scan(_ base: UnsafeRawPointer, _ count: Int, _ token: (UInt64) -> Void) -> Int {
    var start = 0
    var cursor = 0
    while let line = memchr(base + cursor, 0x0A, count &- cursor) {
      let end = UnsafeRawPointer(line) - base
      cursor = end &+ 1
      // A line end right after another, or after CR LF, ends the event.
      let isBlank = end == start || (end == start &+ 1 && base.load(fromByteOffset: start, as: UInt8.self) == 0x0D)
      if isBlank {
        start = cursor
        continue
      }
      readLine(base + start, end &- start, token)
      start = cursor
      if cursor == count { break }
    }
    return start
  }

  private mutating func readLine(_ line: UnsafeRawPointer, _ count: Int, _ token: (UInt64) -> Void) {
    guard count > 7, memcmp(line, "data: ", 6) == 0 else { return }
    if line.load(fromByteOffset: 6, as: UInt8.self) == UInt8(ascii: "[") {
      isDone = true
      return
    }
    guard hasText(line, count) else { return }
    token(due(line, count))
  }

  /// Whether the event has a text that is not empty.
  private mutating func hasText(_ line: UnsafeRawPointer, _ count: Int) -> Bool {
    if isKey("content\":\"", 10, line, count, at: textOffset) || isKey("text\":\"", 7, line, count, at: textOffset) {
      return line.load(fromByteOffset: textOffset, as: UInt8.self) != UInt8(ascii: "\"")
    }
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

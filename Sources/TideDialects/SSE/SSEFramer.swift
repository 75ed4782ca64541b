import TideCore

#if canImport(Glibc)
  import Glibc
#endif

/// Cuts a byte stream into server-sent events (WHATWG HTML, section 9.2.6).
///
/// Lines end with LF, CR LF or CR; a delimiter may be split anywhere; a leading BOM, comments, several `data` lines, the optional
/// space and an unterminated last event are understood. Events that lie whole in the bytes given are handed out where they stand; only
/// the beginning of one that is cut is copied. An event over `eventByteLimit` is a failure: passing it on unread would bypass every
/// filter.
public struct SSEFramer: ~Copyable {
  public enum Status: UInt8, Sendable, BitwiseCopyable {
    case ok
    /// An event is over the limit. The framer takes no more.
    case tooLarge
  }

  /// What `next` found.
  public enum Step {
    case event(SSEEvent)
    /// The bytes given are used up.
    case needsMore
    case tooLarge
  }

  /// The longest event, its terminator included.
  public static let eventByteLimit = 1 << 20

  /// The beginning of an event whose end has not come.
  private var tail = ByteQueue()
  /// Data joined from several lines.
  private var joined = ByteQueue()
  /// The event handed out last stood in `tail`, which is cleared by the next call.
  private var tailIsSpent = false
  /// Line state at the end of `tail`.
  private var atLineStart = true
  private var afterCR = false
  /// The event before ended with a CR at the end of the bytes then given: a line feed that comes first now is its own.
  private var endedWithCR = false
  private var isFirstEvent = true
  private var isBroken = false

  public init() {}

  /// Bytes of an incomplete event that are held.
  public var heldByteCount: Int { tailIsSpent ? 0 : tail.byteCount }

  /// Hands out each event of `bytes` until `body` returns false (the rest of `bytes` is then dropped).
  public mutating func feed(_ bytes: UnsafeRawBufferPointer, _ body: (borrowing SSEEvent) -> Bool) -> Status {
    var rest = bytes
    while true {
      switch next(&rest) {
      case .event(let event): if !body(event) { return .ok }
      case .needsMore: return .ok
      case .tooLarge: return .tooLarge
      }
    }
  }

  /// Hands out a last event that lacks its blank line; its `raw` is then not terminated.
  public mutating func finish(_ body: (borrowing SSEEvent) -> Void) {
    if let event = lastEvent() { body(event) }
  }

  /// Takes the next event from the front of `input`, which shrinks accordingly.
  public mutating func next(_ input: inout UnsafeRawBufferPointer) -> Step {
    if isBroken { return .tooLarge }
    if tailIsSpent {
      tail.removeAll()
      tailIsSpent = false
    }
    guard let base = input.baseAddress, !input.isEmpty else { return .needsMore }
    let bytes = base.assumingMemoryBound(to: UInt8.self)
    if endedWithCR {
      endedWithCR = false
      if bytes[0] == 0x0A {
        let feed = UnsafeRawBufferPointer(rebasing: input[..<1])
        input = UnsafeRawBufferPointer(rebasing: input[1...])
        return .event(Self.empty(raw: feed, isTerminatorTail: true))
      }
    }
    if tail.isEmpty, atLineStart, !afterCR, !isFirstEvent, let event = Self.singleLine(bytes, input.count) {
      input = UnsafeRawBufferPointer(rebasing: input[event.raw.count...])
      return .event(event)
    }
    let end = findEnd(bytes, input.count)
    let held = tail.byteCount
    guard let end else {
      if held &+ input.count > Self.eventByteLimit { return overLimit() }
      tail.append(input)
      input = UnsafeRawBufferPointer(rebasing: input[input.count...])
      return .needsMore
    }
    if held &+ end > Self.eventByteLimit { return overLimit() }
    atLineStart = true
    afterCR = false
    endedWithCR = end == input.count && bytes[end &- 1] == 0x0D
    let own = UnsafeRawBufferPointer(rebasing: input[..<end])
    input = UnsafeRawBufferPointer(rebasing: input[end...])
    if held == 0 { return .event(parse(own)) }
    tail.append(own)
    tailIsSpent = true
    return .event(parse(tail.readableBytes))
  }

  /// The last event when its blank line never came; nil when nothing is held.
  public mutating func lastEvent() -> SSEEvent? {
    guard !isBroken, !tailIsSpent, !tail.isEmpty else { return nil }
    tailIsSpent = true
    atLineStart = true
    afterCR = false
    return parse(tail.readableBytes)
  }

  private mutating func overLimit() -> Step {
    isBroken = true
    tail.removeAll()
    return .tooLarge
  }

  /// The offset after the blank line that ends the event; nil, with the line state noted, when it is not there.
  private mutating func findEnd(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int? {
    var cursor = 0
    // A line feed at the very beginning may be the second half of a CR LF.
    if afterCR {
      afterCR = false
      if bytes[0] == 0x0A { cursor = 1 }
    }
    while cursor < count {
      if atLineStart {
        if bytes[cursor] == 0x0A { return cursor &+ 1 }
        if bytes[cursor] == 0x0D {
          return cursor &+ 1 < count && bytes[cursor &+ 1] == 0x0A ? cursor &+ 2 : cursor &+ 1
        }
      }
      let end = Self.lineEnd(bytes, cursor, count)
      guard end < count else {
        atLineStart = false
        return nil
      }
      atLineStart = true
      cursor = end &+ 1
      if bytes[end] == 0x0D {
        guard cursor < count else {
          afterCR = true
          return nil
        }
        if bytes[cursor] == 0x0A { cursor &+= 1 }
      }
    }
    return nil
  }

  /// The event at the front of `bytes` when it is one `data` line with line feeds behind it, as nearly every token's is: found in one look
  /// for the line's end. nil for all else, which the general way reads.
  @inline(__always)
  private static func singleLine(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> SSEEvent? {
    let limit = min(count, eventByteLimit)
    guard limit > 6, memcmp(bytes, "data:", 5) == 0, let feed = memchr(bytes, 0x0A, limit) else { return nil }
    let end = UnsafePointer(feed.assumingMemoryBound(to: UInt8.self)) - bytes
    guard end &+ 1 < limit, bytes[end &+ 1] == 0x0A, memchr(bytes, 0x0D, end) == nil else { return nil }
    let start = bytes[5] == 0x20 ? 6 : 5
    var event = empty(raw: UnsafeRawBufferPointer(start: bytes, count: end &+ 2), isTerminatorTail: false)
    event.isComment = false
    event.dataLineCount = 1
    event.data = UnsafeRawBufferPointer(start: bytes + start, count: end &- start)
    return event
  }

  /// The offset of the first CR or LF at or after `start`; `count` when there is none.
  @inline(__always)
  private static func lineEnd(_ bytes: UnsafePointer<UInt8>, _ start: Int, _ count: Int) -> Int {
    let feed = memchr(bytes + start, 0x0A, count &- start).map {
      UnsafePointer($0.assumingMemoryBound(to: UInt8.self)) - bytes
    }
    let limit = feed ?? count
    let carriage = memchr(bytes + start, 0x0D, limit &- start).map {
      UnsafePointer($0.assumingMemoryBound(to: UInt8.self)) - bytes
    }
    return carriage ?? limit
  }

  private static func empty(raw: UnsafeRawBufferPointer, isTerminatorTail: Bool) -> SSEEvent {
    let none = UnsafeRawBufferPointer(start: nil, count: 0)
    return SSEEvent(
      raw: raw, data: none, name: none, dataLineCount: 0, isComment: true, isTerminatorTail: isTerminatorTail)
  }

  /// Reads the fields of one event's bytes.
  private mutating func parse(_ raw: UnsafeRawBufferPointer) -> SSEEvent {
    var event = Self.empty(raw: raw, isTerminatorTail: false)
    let bytes = raw.baseAddress!.assumingMemoryBound(to: UInt8.self)
    let count = raw.count
    var cursor = 0
    if isFirstEvent {
      isFirstEvent = false
      if count >= 3, bytes[0] == 0xEF, bytes[1] == 0xBB, bytes[2] == 0xBF { cursor = 3 }
    }
    while cursor < count {
      let end = Self.lineEnd(bytes, cursor, count)
      if let value = Self.value(bytes, cursor, end, "data") {
        event.isComment = false
        event.dataLineCount &+= 1
        if event.dataLineCount == 1 {
          event.data = value
        } else {
          if event.dataLineCount == 2 {
            joined.removeAll()
            joined.append(event.data)
          }
          joined.append(byte: 0x0A)
          joined.append(value)
          event.data = joined.readableBytes
        }
      } else if let value = Self.value(bytes, cursor, end, "event") {
        event.isComment = false
        event.name = value
      }
      cursor = end &+ 1
      if end < count, bytes[end] == 0x0D, cursor < count, bytes[cursor] == 0x0A { cursor &+= 1 }
    }
    return event
  }

  /// The value of the line from `start` to `end` when its field is `name`; nil otherwise.
  @inline(__always)
  private static func value(_ bytes: UnsafePointer<UInt8>, _ start: Int, _ end: Int, _ name: StaticString)
    -> UnsafeRawBufferPointer?
  {
    let length = name.utf8CodeUnitCount
    guard end &- start >= length, memcmp(bytes + start, name.utf8Start, length) == 0 else { return nil }
    var cursor = start &+ length
    if cursor < end {
      guard bytes[cursor] == 0x3A else { return nil }
      cursor &+= 1
      if cursor < end, bytes[cursor] == 0x20 { cursor &+= 1 }
    }
    return UnsafeRawBufferPointer(start: bytes + cursor, count: end &- cursor)
  }
}

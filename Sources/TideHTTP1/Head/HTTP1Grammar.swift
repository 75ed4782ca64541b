/// The byte classes and small comparisons of RFC 9110 section 5.6 and RFC 9112.
enum HTTP1Grammar {
  static let cr: UInt8 = 13
  static let lf: UInt8 = 10
  static let space: UInt8 = 32
  static let tab: UInt8 = 9

  /// tchar: one bit for each of the first 128 bytes.
  private static let tokenLow: UInt64 = 0x03FF_6CFA_0000_0000
  private static let tokenHigh: UInt64 = 0x57FF_FFFF_C7FF_FFFE

  @inline(__always)
  static func isToken(_ byte: UInt8) -> Bool {
    if byte < 64 { return (tokenLow >> UInt64(byte)) & 1 == 1 }
    if byte < 128 { return (tokenHigh >> UInt64(byte &- 64)) & 1 == 1 }
    return false
  }

  @inline(__always)
  static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

  @inline(__always)
  static func isBlank(_ byte: UInt8) -> Bool { byte == space || byte == tab }

  @inline(__always)
  static func lowered(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }

  /// The value of a hexadecimal digit, or nil.
  @inline(__always)
  static func hexValue(_ byte: UInt8) -> Int? {
    if byte &- 0x30 < 10 { return Int(byte &- 0x30) }
    let low = byte | 0x20
    return low &- 0x61 < 6 ? Int(low &- 0x61 &+ 10) : nil
  }

  static func isToken(_ bytes: UnsafeRawBufferPointer) -> Bool {
    if bytes.isEmpty { return false }
    for byte in bytes where !isToken(byte) { return false }
    return true
  }

  /// Whether `bytes` are `name`, which is given in lower case, whatever the case of its letters.
  static func matches(_ bytes: UnsafeRawBufferPointer, _ name: StaticString) -> Bool {
    guard bytes.count == name.utf8CodeUnitCount else { return false }
    let wanted = name.utf8Start
    for index in 0..<bytes.count where lowered(bytes[index]) != wanted[index] { return false }
    return true
  }

  static func matchesIgnoringCase(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
    guard a.count == b.count else { return false }
    for index in 0..<a.count where lowered(a[index]) != lowered(b[index]) { return false }
    return true
  }

  /// `bytes` without outer spaces and tabs.
  static func trimmed(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    var start = 0
    var end = bytes.count
    while start < end, isBlank(bytes[start]) { start &+= 1 }
    while end > start, isBlank(bytes[end &- 1]) { end &-= 1 }
    return UnsafeRawBufferPointer(rebasing: bytes[start..<end])
  }

  /// Calls `body` with each element of a comma-separated list, trimmed, empty ones included; stops when it returns false.
  static func forEachElement(of list: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Bool) {
    var start = 0
    while true {
      var end = start
      while end < list.count, list[end] != 0x2C { end &+= 1 }
      if !body(trimmed(UnsafeRawBufferPointer(rebasing: list[start..<end]))) { return }
      if end == list.count { return }
      start = end &+ 1
    }
  }
}

/// Bytes of a head by position, so that a head may move in memory while it grows.
struct HTTP1Slice: Equatable {
  var start = 0
  var count = 0

  func of(_ head: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: head[start..<start + count])
  }

  func string(of head: UnsafeRawBufferPointer) -> String { String(decoding: of(head), as: UTF8.self) }
}

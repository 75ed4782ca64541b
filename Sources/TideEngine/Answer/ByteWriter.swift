import Glibc

/// Writes into room that its maker has measured: no growth and, in release builds, no checks but the precondition at the end.
struct ByteWriter {
  /// 1, 10, 100 and so on; a number of 64 bits has 20 digits at most.
  private static let powers: [UInt64] = (0..<20).map { count in (0..<count).reduce(1) { power, _ in power * 10 } }

  let base: UnsafeMutableRawPointer
  let capacity: Int
  private(set) var count = 0

  init(_ room: UnsafeMutableRawBufferPointer) {
    base = room.baseAddress!
    capacity = room.count
  }

  @inline(__always)
  mutating func write(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count > 0, let source = bytes.baseAddress else { return }
    precondition(bytes.count <= capacity &- count, "a chunk larger than its room")
    memcpy(base + count, source, bytes.count)
    count &+= bytes.count
  }

  @inline(__always)
  mutating func write(_ bytes: [UInt8]) { bytes.withUnsafeBytes { write($0) } }

  @inline(__always)
  mutating func write(_ bytes: [UInt8], _ range: Range<Int>) {
    bytes.withUnsafeBytes { write(UnsafeRawBufferPointer(rebasing: $0[range])) }
  }

  @inline(__always)
  mutating func write(_ string: StaticString) {
    write(UnsafeRawBufferPointer(start: string.utf8Start, count: string.utf8CodeUnitCount))
  }

  /// Decimal digits, up to 20. Two at a time: a token tells the instant at which it was due.
  mutating func write(decimal value: UInt64) {
    precondition(capacity &- count >= 20, "a chunk larger than its room")
    // 1233 / 4096 is the logarithm of 2 to the base of 10, near enough for 64 bits; 0 has a digit, too.
    let bits = UInt64.bitWidth &- (value | 1).leadingZeroBitCount
    let estimate = (bits &* 1233) &>> 12
    let digits = value < Self.powers[estimate] ? max(1, estimate) : estimate &+ 1
    var rest = value
    var position = count &+ digits
    while rest >= 10 {
      let pair = rest % 100
      rest /= 100
      position &-= 2
      base.storeBytes(
        of: UInt16(littleEndian: UInt16(truncatingIfNeeded: pair / 10 | (pair % 10) << 8) &+ 0x3030),
        toByteOffset: position, as: UInt16.self)
    }
    if position > count {
      base.storeBytes(
        of: UInt8(truncatingIfNeeded: rest) &+ UInt8(ascii: "0"), toByteOffset: count, as: UInt8.self)
    }
    count &+= digits
  }

  /// Sixteen hexadecimal digits.
  mutating func write(hex value: UInt64) {
    precondition(capacity &- count >= 16, "a chunk larger than its room")
    var shift = 60
    while shift >= 0 {
      let digit = UInt8(truncatingIfNeeded: value >> UInt64(shift)) & 15
      base.storeBytes(
        of: digit < 10 ? digit &+ UInt8(ascii: "0") : digit &+ (UInt8(ascii: "a") &- 10), toByteOffset: count,
        as: UInt8.self)
      count &+= 1
      shift &-= 4
    }
  }
}

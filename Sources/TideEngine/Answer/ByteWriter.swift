import Glibc

/// Writes into room that its maker has measured: no growth and, in release builds, no checks but the precondition at the end.
struct ByteWriter {
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

  /// Decimal digits, up to 20.
  mutating func write(decimal value: UInt64) {
    precondition(capacity &- count >= 20, "a chunk larger than its room")
    var digits = 1
    var bound = value
    while bound >= 10 {
      bound /= 10
      digits &+= 1
    }
    var rest = value
    var position = count &+ digits
    repeat {
      position &-= 1
      base.storeBytes(
        of: UInt8(truncatingIfNeeded: rest % 10) &+ UInt8(ascii: "0"), toByteOffset: position, as: UInt8.self)
      rest /= 10
    } while position > count
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

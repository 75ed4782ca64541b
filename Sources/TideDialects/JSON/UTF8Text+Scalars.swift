/// Single characters of a text whose bytes may be cut or broken.
extension UTF8Text {
  /// The character that begins at `offset`, which is below `count`.
  ///
  /// - Returns: its value and length; U+FFFD of length 1 where none begins; length 0 where one begins that is cut off by `count`.
  @inline(__always)
  static func scalar(_ bytes: UnsafePointer<UInt8>, at offset: Int, count: Int) -> (value: UInt32, length: Int) {
    let lead = bytes[offset]
    if lead < 0x80 { return (UInt32(lead), 1) }
    return wideScalar(bytes + offset, count &- offset)
  }

  private static func wideScalar(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> (value: UInt32, length: Int) {
    let length = sequence(bytes, count)
    guard length > 0 else { return (0xFFFD, length < 0 ? 0 : 1) }
    var value = UInt32(bytes[0]) & (0xFF >> UInt32(length &+ 1))
    for index in 1..<length { value = value << 6 | UInt32(bytes[index] & 0x3F) }
    return (value, length)
  }

  /// The character that ends at `offset`, which is above 0: U+FFFD of length 1 where none ends.
  @inline(__always)
  static func scalar(_ bytes: UnsafePointer<UInt8>, before offset: Int) -> (value: UInt32, length: Int) {
    let last = bytes[offset &- 1]
    if last < 0x80 { return (UInt32(last), 1) }
    var start = offset &- 1
    let floor = max(0, offset &- 4)
    while start > floor, bytes[start] & 0xC0 == 0x80 { start &-= 1 }
    let found = wideScalar(bytes + start, offset &- start)
    return found.length == offset &- start ? found : (0xFFFD, 1)
  }

  /// Appends a character that is no surrogate.
  static func append(_ value: UInt32, to bytes: inout [UInt8]) {
    guard let scalar = Unicode.Scalar(value) else { return }
    bytes.append(contentsOf: UTF8.encode(scalar).map { Array($0) } ?? [])
  }
}

/// Where frames begin in what a peer sends: follows their headers from read to read, ahead of nghttp2, which gives no such look.
///
/// Judges nothing. On bytes that are no frames it finds nonsense, and nghttp2 ends the connection.
struct FrameCursor {
  private static let headerByteCount = 9
  private static let dataType: UInt8 = 0

  /// Bytes of the frame in hand that have not been passed.
  private var left = 0
  /// The first bytes of a header whose rest has not come, and how many.
  private var begun: UInt64 = 0
  private var begunCount = 0

  /// Passes frames of `bytes` from `offset` on to behind the next header of a DATA frame that is not empty.
  ///
  /// - Returns: that frame's stream; nil when `bytes` are used up.
  @inline(__always)
  mutating func next(in bytes: UnsafeRawBufferPointer, from offset: inout Int) -> Int32? {
    while true {
      let step = min(left, bytes.count &- offset)
      offset &+= step
      left &-= step
      guard left == 0, offset < bytes.count else { return nil }
      let type: UInt8
      let id: UInt32
      if begunCount == 0, bytes.count &- offset >= Self.headerByteCount {
        let front = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        left = Int(front >> 40)
        type = UInt8(truncatingIfNeeded: front >> 32)
        id = UInt32(truncatingIfNeeded: front) << 8 | UInt32(bytes[offset &+ 8])
        offset &+= Self.headerByteCount
      } else {
        guard let last = gather(bytes, &offset) else { return nil }
        left = Int(begun >> 40)
        type = UInt8(truncatingIfNeeded: begun >> 32)
        id = UInt32(truncatingIfNeeded: begun) << 8 | UInt32(last)
        begun = 0
        begunCount = 0
      }
      if type == Self.dataType, left > 0 { return Int32(truncatingIfNeeded: id & 0x7fff_ffff) }
    }
  }

  /// Takes bytes of a header that is cut; its last byte, once that is here.
  private mutating func gather(_ bytes: UnsafeRawBufferPointer, _ offset: inout Int) -> UInt8? {
    while offset < bytes.count {
      let byte = bytes[offset]
      offset &+= 1
      begunCount &+= 1
      if begunCount == Self.headerByteCount { return byte }
      begun = begun << 8 | UInt64(byte)
    }
    return nil
  }
}

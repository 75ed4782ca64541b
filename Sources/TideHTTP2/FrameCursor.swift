/// Where frames begin in what a peer sends: follows their headers from read to read, ahead of the session.
///
/// Judges nothing. On bytes that are no frames it finds nonsense, and nghttp2 ends the connection.
struct FrameCursor {
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
      let header: FrameHeader
      if begunCount == 0, bytes.count &- offset >= FrameHeader.byteCount, let base = bytes.baseAddress {
        header = FrameHeader(base + offset)
        offset &+= FrameHeader.byteCount
      } else {
        guard let last = gather(bytes, &offset) else { return nil }
        header = FrameHeader(front: begun, last: last)
        begun = 0
        begunCount = 0
      }
      left = header.length
      if header.kind == FrameHeader.Kind.data, left > 0 { return header.stream }
    }
  }

  /// Takes bytes of a header that is cut; its last byte, once that is here.
  private mutating func gather(_ bytes: UnsafeRawBufferPointer, _ offset: inout Int) -> UInt8? {
    while offset < bytes.count {
      let byte = bytes[offset]
      offset &+= 1
      begunCount &+= 1
      if begunCount == FrameHeader.byteCount { return byte }
      begun = begun << 8 | UInt64(byte)
    }
    return nil
  }
}

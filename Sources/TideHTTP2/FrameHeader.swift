/// The nine bytes before a frame's payload (RFC 9113 section 4.1).
struct FrameHeader: Equatable {
  static let byteCount = 9
  /// The longest payload that we let a peer send: SETTINGS_MAX_FRAME_SIZE as it is without being announced.
  static let maxPayloadByteCount = 16_384

  /// The types that this module reads itself (RFC 9113 section 6).
  static let data: UInt8 = 0
  static let headers: UInt8 = 1
  static let settings: UInt8 = 4
  static let pushPromise: UInt8 = 5
  static let windowUpdate: UInt8 = 8
  static let continuation: UInt8 = 9
  static let endHeaders: UInt8 = 4

  /// Bytes of the payload.
  let payloadByteCount: Int
  let type: UInt8
  let flags: UInt8
  /// Without the reserved bit.
  let streamID: Int32

  /// - Parameters:
  ///   - front: the first eight bytes, the first of them highest.
  ///   - last: the ninth.
  @inline(__always)
  init(front: UInt64, last: UInt8) {
    payloadByteCount = Int(front >> 40)
    type = UInt8(truncatingIfNeeded: front >> 32)
    flags = UInt8(truncatingIfNeeded: front >> 24)
    streamID = Int32(bitPattern: (UInt32(truncatingIfNeeded: front) << 8 | UInt32(last)) & 0x7fff_ffff)
  }

  /// The header at `offset`, where nine bytes must be.
  @inline(__always)
  init(in bytes: UnsafeRawBufferPointer, at offset: Int) {
    self.init(
      front: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)), last: bytes[offset &+ 8])
  }

  @inline(__always)
  init(type: UInt8, streamID: Int32, payloadByteCount: Int) {
    self.payloadByteCount = payloadByteCount
    self.type = type
    flags = 0
    self.streamID = streamID
  }

  /// Writes the header to `place`, which has room for it.
  @inline(__always)
  func write(to place: UnsafeMutableRawPointer) {
    let front =
      UInt64(truncatingIfNeeded: payloadByteCount) << 40 | UInt64(type) << 32 | UInt64(flags) << 24
      | UInt64(UInt32(bitPattern: streamID) >> 8)
    place.storeBytes(of: front.bigEndian, as: UInt64.self)
    place.storeBytes(of: UInt8(truncatingIfNeeded: streamID), toByteOffset: 8, as: UInt8.self)
  }
}

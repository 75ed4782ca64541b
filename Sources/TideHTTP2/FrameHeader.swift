/// The nine bytes before every HTTP/2 frame (RFC 9113 section 4.1).
public struct FrameHeader: Equatable, BitwiseCopyable {
  public static let byteCount = 9
  /// The longest payload either way: SETTINGS_MAX_FRAME_SIZE where it is not announced, below which no peer can set it.
  public static let payloadLimit = 16_384
  public static let windowUpdateByteCount = byteCount + 4

  /// RFC 9113 section 6.
  public enum Kind {
    public static let data: UInt8 = 0
    public static let headers: UInt8 = 1
    public static let reset: UInt8 = 3
    public static let settings: UInt8 = 4
    public static let pushPromise: UInt8 = 5
    public static let ping: UInt8 = 6
    public static let goaway: UInt8 = 7
    public static let windowUpdate: UInt8 = 8
    public static let continuation: UInt8 = 9
  }

  public enum Flag {
    public static let acknowledgement: UInt8 = 0x1
    public static let endStream: UInt8 = 0x1
    public static let endHeaders: UInt8 = 0x4
    public static let padded: UInt8 = 0x8
    public static let priority: UInt8 = 0x20
  }

  /// Bytes of the payload.
  public var length: Int
  public var kind: UInt8
  public var flags: UInt8
  /// Without the reserved bit.
  public var stream: Int32

  @inlinable @inline(__always)
  public init(length: Int, kind: UInt8, flags: UInt8 = 0, stream: Int32) {
    self.length = length
    self.kind = kind
    self.flags = flags
    self.stream = stream
  }

  /// - Parameters:
  ///   - front: the first eight bytes, the first of them highest.
  ///   - last: the ninth.
  @inlinable @inline(__always)
  public init(front: UInt64, last: UInt8) {
    length = Int(front >> 40)
    kind = UInt8(truncatingIfNeeded: front >> 32)
    flags = UInt8(truncatingIfNeeded: front >> 24)
    stream = Int32(bitPattern: (UInt32(truncatingIfNeeded: front) << 8 | UInt32(last)) & 0x7fff_ffff)
  }

  /// The header at `bytes`, of which there must be nine.
  @inlinable @inline(__always)
  public init(_ bytes: UnsafeRawPointer) {
    self.init(
      front: UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
      last: bytes.load(fromByteOffset: 8, as: UInt8.self))
  }

  @inlinable @inline(__always)
  public func has(_ flag: UInt8) -> Bool { flags & flag != 0 }

  /// Writes the header to `place`, which has room for it.
  @inlinable @inline(__always)
  public func write(to place: UnsafeMutableRawPointer) {
    let front =
      UInt64(truncatingIfNeeded: length) << 40 | UInt64(kind) << 32 | UInt64(flags) << 24
      | UInt64(UInt32(bitPattern: stream) >> 8)
    place.storeBytes(of: front.bigEndian, as: UInt64.self)
    place.storeBytes(of: UInt8(truncatingIfNeeded: stream), toByteOffset: 8, as: UInt8.self)
  }

  /// Writes a whole WINDOW_UPDATE frame to `place`, which has room for it.
  static func writeWindowUpdate(_ increment: UInt32, on stream: Int32, to place: UnsafeMutableRawPointer) {
    FrameHeader(length: 4, kind: Kind.windowUpdate, stream: stream).write(to: place)
    place.storeBytes(of: increment.bigEndian, toByteOffset: byteCount, as: UInt32.self)
  }
}

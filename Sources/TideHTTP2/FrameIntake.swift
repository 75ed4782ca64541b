import TideCore

/// Cuts what a peer sends into the frames that the session reads itself and those that are nghttp2's.
///
/// A token is a DATA frame, and nghttp2's look-ups and calls about one cost a good part of its way. So plain DATA is read here, and
/// WINDOW_UPDATE with it, since windows belong to who sends and reads DATA. Everything else, and whatever is odd about these two, goes to
/// nghttp2, which judges it.
///
/// Pure, and judges nothing: bytes in, pieces out. A frame that is given as one may be handed to nghttp2 after all.
struct FrameIntake {
  /// A part of a read, in the order in which it came.
  enum Piece: Equatable {
    /// Bytes of the read that are nghttp2's.
    case native(Range<Int>)
    /// Bytes of reads before this one that are nghttp2's (`withHeld`).
    case nativeHeld
    /// A whole frame with a body part and no flags.
    case data(streamID: Int32, frame: Range<Int>)
    /// A whole frame of the read.
    case windowUpdate(streamID: Int32, increment: UInt32, frame: Range<Int>)
    /// One that began in a read before this one (`withHeld`).
    case windowUpdateHeld(streamID: Int32, increment: UInt32)
  }

  /// What a client sends before its first frame (RFC 9113 section 3.4).
  private static let prefaceByteCount = 24

  /// Bytes to come that are nghttp2's whatever they are.
  private var left: Int
  private let readsData: Bool
  /// Both ends begin with SETTINGS; that nothing else comes before is for nghttp2 to see.
  private var hasBegun = false
  /// Between HEADERS and the last CONTINUATION, where no other frame may stand.
  private var isInBlock = false
  /// A header that is cut, or a WINDOW_UPDATE: its first bytes, the first of them highest in `heldFront`.
  private var heldFront: UInt64 = 0
  private var heldBack: UInt64 = 0
  private var heldCount = 0

  /// - Parameters:
  ///   - role: a server's peer begins with the preface.
  ///   - readsData: whether DATA is read here.
  init(role: HTTP2Role, readsData: Bool) {
    left = role == .server ? Self.prefaceByteCount : 0
    self.readsData = readsData
  }

  /// Whether nghttp2, which has been given all that is its own, has whole frames and header blocks only.
  var isBetweenFrames: Bool { left == 0 && !isInBlock }
  /// Whether a piece of nghttp2's ends with the first frame that leaves it between frames.
  var stopsBetweenFrames = false

  /// The next piece of `bytes`, from `offset` on, which is moved behind it; nil when they are used up.
  @inline(__always)
  mutating func next(in bytes: UnsafeRawBufferPointer, from offset: inout Int) -> Piece? {
    if heldCount > 0 { return nextHeld(bytes, &offset) }
    let start = offset
    while offset < bytes.count {
      if left > 0 {
        let step = min(left, bytes.count &- offset)
        offset &+= step
        left &-= step
        if stopsBetweenFrames, isBetweenFrames { break }
        continue
      }
      guard bytes.count &- offset >= FrameHeader.byteCount, let base = bytes.baseAddress else { break }
      let header = FrameHeader(base + offset)
      let end = offset &+ FrameHeader.byteCount &+ header.length
      if mayBeData(header), end <= bytes.count {
        if offset > start { return .native(start..<offset) }
        defer { offset = end }
        return .data(streamID: header.stream, frame: offset..<end)
      }
      if isWindowUpdate(header) {
        guard end <= bytes.count else { break }
        if offset > start { return .native(start..<offset) }
        defer { offset = end }
        let increment = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: end &- 4, as: UInt32.self))
        return .windowUpdate(streamID: header.stream, increment: increment & 0x7fff_ffff, frame: offset..<end)
      }
      pass(header)
      left = FrameHeader.byteCount &+ header.length
    }
    if offset > start { return .native(start..<offset) }
    while offset < bytes.count {
      hold(bytes[offset])
      offset &+= 1
    }
    return nil
  }

  /// What had been held back when the last piece that names it was given.
  func withHeld<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
    let words: InlineArray<2, UInt64> = [heldFront.bigEndian, heldBack.bigEndian]
    return withUnsafeBytes(of: words) { body(UnsafeRawBufferPointer(rebasing: $0[..<givenCount])) }
  }

  /// How many bytes `withHeld` gives.
  private var givenCount = 0

  /// Completes what is held back.
  private mutating func nextHeld(_ bytes: UnsafeRawBufferPointer, _ offset: inout Int) -> Piece? {
    while offset < bytes.count {
      hold(bytes[offset])
      offset &+= 1
      guard heldCount >= FrameHeader.byteCount else { continue }
      let header = FrameHeader(front: heldFront, last: UInt8(truncatingIfNeeded: heldBack >> 56))
      if isWindowUpdate(header) {
        guard heldCount == FrameHeader.windowUpdateByteCount else { continue }
        giveHeld()
        let increment = UInt32(truncatingIfNeeded: heldBack >> 24) & 0x7fff_ffff
        return .windowUpdateHeld(streamID: header.stream, increment: increment)
      }
      giveHeld()
      pass(header)
      left = header.length
      return .nativeHeld
    }
    return nil
  }

  private mutating func hold(_ byte: UInt8) {
    if heldCount == 0 {
      heldFront = 0
      heldBack = 0
    }
    if heldCount < 8 {
      heldFront |= UInt64(byte) << UInt64(56 - 8 * heldCount)
    } else {
      heldBack |= UInt64(byte) << UInt64(120 - 8 * heldCount)
    }
    heldCount += 1
  }

  private mutating func giveHeld() {
    givenCount = heldCount
    heldCount = 0
  }

  @inline(__always)
  private func mayBeData(_ header: FrameHeader) -> Bool {
    readsData && header.kind == FrameHeader.Kind.data && header.flags == 0 && header.length > 0
      && header.length <= FrameHeader.payloadLimit && hasBegun && !isInBlock
  }

  @inline(__always)
  private func isWindowUpdate(_ header: FrameHeader) -> Bool {
    header.kind == FrameHeader.Kind.windowUpdate && header.length == 4 && hasBegun && !isInBlock
  }

  /// Notes a frame that nghttp2 gets.
  private mutating func pass(_ header: FrameHeader) {
    switch header.kind {
    case FrameHeader.Kind.headers, FrameHeader.Kind.continuation, FrameHeader.Kind.pushPromise:
      isInBlock = !header.has(FrameHeader.Flag.endHeaders)
    case FrameHeader.Kind.settings: hasBegun = true
    default: break
    }
  }
}

import TideCore

/// The nine bytes before every HTTP/2 frame (RFC 9113 section 4.1).
struct FrameHeader: Equatable {
  static let byteCount = 9

  enum Kind {
    static let data: UInt8 = 0
    static let headers: UInt8 = 1
    static let reset: UInt8 = 3
    static let settings: UInt8 = 4
    static let pushPromise: UInt8 = 5
    static let ping: UInt8 = 6
    static let goaway: UInt8 = 7
    static let windowUpdate: UInt8 = 8
    static let continuation: UInt8 = 9
  }

  enum Flag {
    static let acknowledgement: UInt8 = 0x1
    static let endStream: UInt8 = 0x1
    static let endHeaders: UInt8 = 0x4
    static let padded: UInt8 = 0x8
    static let priority: UInt8 = 0x20
  }

  var length: Int
  var kind: UInt8
  var flags: UInt8
  var stream: Int32

  init(length: Int, kind: UInt8, flags: UInt8, stream: Int32) {
    self.length = length
    self.kind = kind
    self.flags = flags
    self.stream = stream
  }

  @inline(__always)
  init(_ bytes: UnsafeRawPointer) {
    let head = UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self))
    length = Int(head >> 8)
    kind = UInt8(truncatingIfNeeded: head)
    flags = bytes.load(fromByteOffset: 4, as: UInt8.self)
    stream = Int32(
      truncatingIfNeeded: UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 5, as: UInt32.self)) & 0x7fff_ffff)
  }

  @inline(__always)
  func has(_ flag: UInt8) -> Bool { flags & flag != 0 }
}

/// Cuts what an HTTP/2 connection sends into frames, however the bytes arrive.
///
/// Pure, and all that reading a token costs before its text is looked at: the payload of a DATA frame is told in the pieces in which it
/// comes, without a copy; every other frame is told whole. A load client reads hundreds of thousands of frames a second on the machine
/// of what it measures, where a full session with its windows, tables and defences would cost more than the rest of the client.
struct FrameReader: ~Copyable {
  enum Step {
    /// All bytes were used up.
    case needsMore
    /// Payload of a DATA frame. `isEnd` when END_STREAM came with it and it is all there.
    case data(stream: Int32, UnsafeRawBufferPointer, isEnd: Bool)
    /// Any other frame, or a padded DATA frame, with its payload. Valid until the next call.
    case frame(FrameHeader, UnsafeRawBufferPointer)
    /// A frame larger than this side allows: this is not HTTP/2, or not as it should be.
    case tooLarge(FrameHeader)
  }

  /// The default of SETTINGS_MAX_FRAME_SIZE, which this client leaves as it is.
  static let payloadLimit = 16_384

  /// What is left of the DATA payload being told.
  private var dataLeft = 0
  private var dataStream: Int32 = 0
  private var dataEndsStream = false
  /// The beginning of a frame whose rest has not come, or the frame that was told last.
  private var held = ByteQueue()
  private var isHeldTold = false

  /// Reads `input` from `offset` on, and moves it past what was read.
  @inline(__always)
  mutating func next(_ input: UnsafeRawBufferPointer, from offset: inout Int) -> Step {
    if dataLeft > 0 { return continueData(input, &offset) }
    guard held.isEmpty, input.count &- offset >= FrameHeader.byteCount, let base = input.baseAddress else {
      return assemble(input, &offset)
    }
    let header = FrameHeader(base + offset)
    if header.kind == FrameHeader.Kind.data, !header.has(FrameHeader.Flag.padded), header.length <= Self.payloadLimit {
      offset &+= FrameHeader.byteCount
      return beginData(header, input, &offset)
    }
    guard header.length <= Self.payloadLimit else { return .tooLarge(header) }
    let end = offset &+ FrameHeader.byteCount &+ header.length
    guard end <= input.count else { return assemble(input, &offset) }
    let payload = UnsafeRawBufferPointer(rebasing: input[(offset &+ FrameHeader.byteCount)..<end])
    offset = end
    return .frame(header, payload)
  }

  @inline(__always)
  private mutating func beginData(
    _ header: FrameHeader, _ input: UnsafeRawBufferPointer, _ offset: inout Int
  ) -> Step {
    dataLeft = header.length
    dataStream = header.stream
    dataEndsStream = header.has(FrameHeader.Flag.endStream)
    if dataLeft == 0 {
      return .data(stream: dataStream, UnsafeRawBufferPointer(start: nil, count: 0), isEnd: dataEndsStream)
    }
    return continueData(input, &offset)
  }

  @inline(__always)
  private mutating func continueData(_ input: UnsafeRawBufferPointer, _ offset: inout Int) -> Step {
    let count = min(dataLeft, input.count &- offset)
    guard count > 0 else { return .needsMore }
    let payload = UnsafeRawBufferPointer(rebasing: input[offset..<(offset &+ count)])
    offset &+= count
    dataLeft &-= count
    return .data(stream: dataStream, payload, isEnd: dataEndsStream && dataLeft == 0)
  }

  /// The slow path: a frame in several reads.
  private mutating func assemble(_ input: UnsafeRawBufferPointer, _ offset: inout Int) -> Step {
    if isHeldTold {
      held.removeAll()
      isHeldTold = false
      return next(input, from: &offset)
    }
    guard take(upTo: FrameHeader.byteCount, input, &offset), let base = held.readableBytes.baseAddress else {
      return .needsMore
    }
    let header = FrameHeader(base)
    guard header.length <= Self.payloadLimit else { return .tooLarge(header) }
    if header.kind == FrameHeader.Kind.data, !header.has(FrameHeader.Flag.padded) {
      held.removeAll()
      return beginData(header, input, &offset)
    }
    guard take(upTo: FrameHeader.byteCount &+ header.length, input, &offset) else { return .needsMore }
    isHeldTold = true
    return .frame(header, UnsafeRawBufferPointer(rebasing: held.readableBytes[FrameHeader.byteCount...]))
  }

  /// Fills `held` to `count` bytes. Returns whether they are there.
  private mutating func take(upTo count: Int, _ input: UnsafeRawBufferPointer, _ offset: inout Int) -> Bool {
    let missing = min(count &- held.byteCount, input.count &- offset)
    if missing > 0 {
      held.append(UnsafeRawBufferPointer(rebasing: input[offset..<(offset &+ missing)]))
      offset &+= missing
    }
    return held.byteCount >= count
  }
}

import TideCore
import TideHTTP2

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
    if header.kind == FrameHeader.Kind.data, !header.has(FrameHeader.Flag.padded),
      header.length <= FrameHeader.payloadLimit
    {
      offset &+= FrameHeader.byteCount
      return beginData(header, input, &offset)
    }
    guard header.length <= FrameHeader.payloadLimit else { return .tooLarge(header) }
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
    guard header.length <= FrameHeader.payloadLimit else { return .tooLarge(header) }
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

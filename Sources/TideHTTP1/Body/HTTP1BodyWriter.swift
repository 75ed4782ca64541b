import TideCore

/// Writes one body from `HTTPStream.output` into the connection's buffer, whatever its framing.
///
/// Payload is copied once, straight into the buffer that is handed to the kernel; each pass makes one chunk of all that
/// waits.
struct HTTP1BodyWriter {
  enum Outcome {
    /// The body goes on, or waits for room.
    case open
    /// The body and its terminator are in the buffer.
    case finished
    /// The producer ended before the announced length, or went over it: the message cannot be completed.
    case broken
  }

  /// Room that a chunk needs beside its payload: up to 8 digits and two line ends.
  private static let chunkOverhead = 12

  private enum Kind { case discarded, fixed, chunked, untilClose }
  private let kind: Kind
  private var remaining = 0

  /// - Parameter isDiscarded: the message has no body whatever the producer makes (HEAD, 204, 304).
  init(_ framing: HTTP1Framing, isDiscarded: Bool = false) {
    switch framing {
    case _ where isDiscarded: kind = .discarded
    case .none: kind = .fixed
    case .fixed(let count):
      kind = .fixed
      remaining = count
    case .chunked: kind = .chunked
    case .untilClose: kind = .untilClose
    }
  }

  /// Whether only the end of the connection tells the reader that the body is over.
  var endsWithConnection: Bool { kind == .untilClose }

  /// Takes what fits. `taken` says how many payload bytes left the stream.
  mutating func write(
    _ stream: HTTPStream, into buffer: UnsafeMutableRawBufferPointer, at offset: inout Int, taken: inout Int
  ) -> Outcome {
    let waiting = stream.output.byteCount
    let room = buffer.count &- offset
    switch kind {
    case .discarded:
      stream.output.consume(waiting)
      taken = waiting
    case .fixed:
      if waiting > remaining { return .broken }
      taken = copy(stream, min(waiting, room), into: buffer, at: &offset)
      remaining &-= taken
    case .untilClose:
      taken = copy(stream, min(waiting, room), into: buffer, at: &offset)
    case .chunked:
      let count = min(waiting, room &- Self.chunkOverhead)
      if count > 0 {
        writeSize(count, into: buffer, at: &offset)
        taken = copy(stream, count, into: buffer, at: &offset)
        writeLineEnd(into: buffer, at: &offset)
      }
    }
    guard stream.output.isEmpty, stream.outputEnd != .open else { return .open }
    switch kind {
    case .discarded, .untilClose: return .finished
    case .fixed: return remaining == 0 ? .finished : .broken
    case .chunked:
      // The last chunk and an empty trailer section; trailers are not forwarded (S-10).
      guard buffer.count &- offset >= 5 else { return .open }
      buffer[offset] = 0x30
      offset &+= 1
      writeLineEnd(into: buffer, at: &offset)
      writeLineEnd(into: buffer, at: &offset)
      return .finished
    }
  }

  private func copy(
    _ stream: HTTPStream, _ count: Int, into buffer: UnsafeMutableRawBufferPointer, at offset: inout Int
  ) -> Int {
    guard count > 0 else { return 0 }
    let moved = stream.output.move(into: UnsafeMutableRawBufferPointer(rebasing: buffer[offset..<(offset + count)]))
    offset &+= moved
    return moved
  }

  private func writeSize(_ count: Int, into buffer: UnsafeMutableRawBufferPointer, at offset: inout Int) {
    var shift = (Int.bitWidth &- 1 &- count.leadingZeroBitCount) & ~3
    while shift >= 0 {
      let digit = UInt8(truncatingIfNeeded: (count >> shift) & 15)
      buffer[offset] = digit < 10 ? 0x30 &+ digit : 0x57 &+ digit
      offset &+= 1
      shift &-= 4
    }
    writeLineEnd(into: buffer, at: &offset)
  }

  private func writeLineEnd(into buffer: UnsafeMutableRawBufferPointer, at offset: inout Int) {
    buffer[offset] = HTTP1Grammar.cr
    buffer[offset &+ 1] = HTTP1Grammar.lf
    offset &+= 2
  }
}

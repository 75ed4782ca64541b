import TideCore
import TideHTTP2

/// Writes the frames that a load client sends.
enum FrameWriter {
  /// The client's connection preface (RFC 9113 section 3.4) with SETTINGS, and a larger window for the whole connection.
  ///
  /// The header table of size 0 is what lets all connections share one inflater.
  static func writePreface(streamWindow: Int, connectionWindow: Int, into queue: inout ByteQueue) {
    queue.append("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    let settings: [(UInt16, Int)] = [(1, 0), (2, 0), (4, streamWindow)]
    write(FrameHeader.Kind.settings, flags: 0, stream: 0, length: settings.count * 6, into: &queue)
    for (name, value) in settings {
      write(UInt64(name), byteCount: 2, into: &queue)
      write(UInt64(value), byteCount: 4, into: &queue)
    }
    writeWindowUpdate(stream: 0, by: connectionWindow - 65_535, into: &queue)
  }

  static func writeSettingsAcknowledgement(into queue: inout ByteQueue) {
    write(FrameHeader.Kind.settings, flags: FrameHeader.Flag.acknowledgement, stream: 0, length: 0, into: &queue)
  }

  static func writePong(_ payload: UnsafeRawBufferPointer, into queue: inout ByteQueue) {
    write(
      FrameHeader.Kind.ping, flags: FrameHeader.Flag.acknowledgement, stream: 0, length: payload.count, into: &queue)
    queue.append(payload)
  }

  static func writeWindowUpdate(stream: Int32, by count: Int, into queue: inout ByteQueue) {
    write(FrameHeader.Kind.windowUpdate, flags: 0, stream: stream, length: 4, into: &queue)
    write(UInt64(count), byteCount: 4, into: &queue)
  }

  static func writeReset(stream: Int32, code: UInt32, into queue: inout ByteQueue) {
    write(FrameHeader.Kind.reset, flags: 0, stream: stream, length: 4, into: &queue)
    write(UInt64(code), byteCount: 4, into: &queue)
  }

  /// A request's head, whose block is at most one frame long. A body follows.
  static func writeHeaders(stream: Int32, block: [UInt8], into queue: inout ByteQueue) {
    write(
      FrameHeader.Kind.headers, flags: FrameHeader.Flag.endHeaders, stream: stream, length: block.count, into: &queue)
    queue.append(block)
  }

  static func writeData(stream: Int32, _ payload: UnsafeRawBufferPointer, isEnd: Bool, into queue: inout ByteQueue) {
    write(
      FrameHeader.Kind.data, flags: isEnd ? FrameHeader.Flag.endStream : 0, stream: stream, length: payload.count,
      into: &queue)
    queue.append(payload)
  }

  private static func write(_ kind: UInt8, flags: UInt8, stream: Int32, length: Int, into queue: inout ByteQueue) {
    queue.append(upTo: FrameHeader.byteCount) { place in
      guard let base = place.baseAddress else { return 0 }
      FrameHeader(length: length, kind: kind, flags: flags, stream: stream).write(to: base)
      return FrameHeader.byteCount
    }
  }

  private static func write(_ value: UInt64, byteCount: Int, into queue: inout ByteQueue) {
    for index in (0..<byteCount).reversed() {
      queue.append(byte: UInt8(truncatingIfNeeded: value >> UInt64(index * 8)))
    }
  }
}

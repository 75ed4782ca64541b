import CZlib

/// One `z_stream` of zlib. Its window has 32 KiB, the most that the format knows.
struct Inflater: ~Copyable {
  enum Container {
    case gzip, zlib, raw

    /// What `inflateInit2` calls it.
    fileprivate var windowBits: Int32 {
      switch self {
      case .gzip: 31
      case .zlib: 15
      case .raw: -15
      }
    }
  }

  enum State { case running, ended, failed(DecodingFailure) }

  private let stream: UnsafeMutablePointer<z_stream>
  private let isReady: Bool

  init(_ container: Container) {
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    isReady = czlib_inflate_init(stream, container.windowBits) == Z_OK
  }

  deinit {
    if isReady { inflateEnd(stream) }
    stream.deallocate()
  }

  /// Makes ready for another member.
  mutating func reset() { inflateReset(stream) }

  mutating func step(
    _ input: inout UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) -> (produced: Int, state: State) {
    guard isReady else { return (0, .failed(.memory)) }
    let offered = min(input.count, Int(Int32.max))
    let room = min(output.count, Int(Int32.max))
    stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
    stream.pointee.avail_in = UInt32(offered)
    stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
    stream.pointee.avail_out = UInt32(room)
    let result = inflate(stream, Z_NO_FLUSH)
    input.drop(offered - Int(stream.pointee.avail_in))
    let produced = room - Int(stream.pointee.avail_out)
    switch result {
    case Z_OK, Z_BUF_ERROR: return (produced, .running)
    case Z_STREAM_END: return (produced, .ended)
    case Z_MEM_ERROR: return (produced, .failed(.memory))
    // A preset dictionary, too: nobody has agreed on one.
    default: return (produced, .failed(isChecksumError ? .checksum : .corrupt))
    }
  }

  /// zlib has one error for all that is wrong with the data, and tells them apart by words only.
  private var isChecksumError: Bool {
    guard let message = stream.pointee.msg else { return false }
    let text = String(cString: message)
    return text == "incorrect data check" || text == "incorrect length check"
  }
}

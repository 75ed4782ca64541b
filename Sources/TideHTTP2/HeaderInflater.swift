import CNghttp2

/// Reads response heads for a client that looks at nothing but their status, such as the load client.
///
/// Such a client announces a header table of size 0. Its peers then never refer to an earlier block, so that one inflater may serve
/// all connections of a worker.
public final class HeaderInflater {
  private var inflater: OpaquePointer

  public init() { inflater = Self.make() }

  deinit { nghttp2_hd_inflate_del(inflater) }

  /// The `:status` of a whole header block; 0 when it has none, as trailers have not; nil when the block breaks RFC 7541.
  public func status(of block: UnsafeRawBufferPointer) -> Int? {
    var rest = block.assumingMemoryBound(to: UInt8.self)[...]
    var status = 0
    while true {
      var field = nghttp2_nv()
      var flags: Int32 = 0
      let input = UnsafeBufferPointer(rebasing: rest)
      let used = nghttp2_hd_inflate_hd2(inflater, &field, &flags, input.baseAddress, input.count, 1)
      guard used >= 0, used <= input.count else {
        // Where the next block begins to make sense is unknown to this one.
        nghttp2_hd_inflate_del(inflater)
        inflater = Self.make()
        return nil
      }
      rest = rest.dropFirst(used)
      if flags & Int32(NGHTTP2_HD_INFLATE_EMIT.rawValue) != 0 {
        let name = UnsafeRawBufferPointer(start: field.name, count: field.namelen)
        if name.equals(":status") {
          status = Self.number(UnsafeRawBufferPointer(start: field.value, count: field.valuelen))
        }
      }
      if flags & Int32(NGHTTP2_HD_INFLATE_FINAL.rawValue) != 0 {
        nghttp2_hd_inflate_end_headers(inflater)
        return status
      }
      if used == 0, flags & Int32(NGHTTP2_HD_INFLATE_EMIT.rawValue) == 0 { return status }
    }
  }

  private static func make() -> OpaquePointer {
    var made: OpaquePointer?
    guard nghttp2_hd_inflate_new(&made) == 0, let made else { fatalError("no memory for a header inflater") }
    return made
  }

  private static func number(_ text: UnsafeRawBufferPointer) -> Int {
    guard text.count == 3, text.allSatisfy({ $0 &- 0x30 < 10 }) else { return 0 }
    return text.reduce(0) { $0 * 10 + Int($1 &- 0x30) }
  }
}

import TideCore

/// A request head in the form of RFC 7541: literals without indexing, so that one block serves every connection of a run.
enum HeaderBlock {
  static func make(_ head: RequestHead) -> [UInt8] {
    var block: [UInt8] = []
    append(":method", head.method, to: &block)
    append(":scheme", head.scheme, to: &block)
    append(":authority", head.authority, to: &block)
    append(":path", head.path, to: &block)
    for index in 0..<head.headers.count {
      append(head.headers.name(at: index), head.headers.value(at: index), to: &block)
    }
    if let length = head.contentLength { append("content-length", String(length), to: &block) }
    return block
  }

  private static func append(_ name: String, _ value: String, to block: inout [UInt8]) {
    // Keys must not enter anybody's table (RFC 7541 section 7.1.3).
    block.append(name == "authorization" ? 0x10 : 0x00)
    append(name, to: &block)
    append(value, to: &block)
  }

  /// A string literal without Huffman coding, its length as an integer of a seven-bit prefix (sections 5.1 and 5.2).
  private static func append(_ text: String, to block: inout [UInt8]) {
    let count = text.utf8.count
    if count < 127 {
      block.append(UInt8(count))
    } else {
      block.append(127)
      var rest = count - 127
      while rest >= 128 {
        block.append(UInt8(rest & 127 | 128))
        rest >>= 7
      }
      block.append(UInt8(rest))
    }
    block.append(contentsOf: text.utf8)
  }
}

/// The authority of a request: `uri-host [":" port]`, narrower than RFC 3986 so that no two readers can disagree (S-17).
enum HTTP1Host {
  private static let hostLimit = 255

  /// A name of letters, digits, `-`, `_` and `.`, or a bracketed IPv6 address; then at most a port from 0 to 65535.
  static func isValid(_ value: UnsafeRawBufferPointer) -> Bool {
    guard let first = value.first else { return false }
    var index = 0
    if first == 0x5B {
      index = 1
      while index < value.count, value[index] != 0x5D {
        let byte = value[index]
        guard HTTP1Grammar.hexValue(byte) != nil || byte == 0x3A || byte == 0x2E else { return false }
        index &+= 1
      }
      guard index < value.count, index >= 3, index <= 46 else { return false }
      index &+= 1
    } else {
      var previous: UInt8 = 0x2E
      while index < value.count, value[index] != 0x3A {
        let byte = value[index]
        let isLabel =
          HTTP1Grammar.isDigit(byte) || (byte | 0x20) &- 0x61 < 26 || byte == 0x2D || byte == 0x5F
        // An empty label is refused; a final dot is legal.
        guard isLabel || (byte == 0x2E && previous != 0x2E) else { return false }
        previous = byte
        index &+= 1
      }
      guard index > 0, index <= hostLimit else { return false }
    }
    return index == value.count || isPort(UnsafeRawBufferPointer(rebasing: value[index...]))
  }

  private static func isPort(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard bytes[0] == 0x3A, bytes.count >= 2, bytes.count <= 6 else { return false }
    var port = 0
    for byte in bytes.dropFirst() {
      guard HTTP1Grammar.isDigit(byte) else { return false }
      port = port &* 10 &+ Int(byte &- 0x30)
    }
    return port <= 65535
  }
}

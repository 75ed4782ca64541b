/// Makes exchange identifiers: `req_` and 24 hexadecimal digits, unique across workers and restarts.
struct ExchangeIdentifiers {
  private let prefix: UInt64
  private var counter: UInt64 = 0

  init() { prefix = .random(in: .min ... .max) }

  /// The same identifiers each time, for rehearsals.
  init(prefix: UInt64) { self.prefix = prefix }

  /// Random start, then a count: an identifier must be unique, not secret.
  mutating func next() -> String {
    counter &+= 1
    return String(unsafeUninitializedCapacity: 28) { buffer in
      buffer[0] = UInt8(ascii: "r")
      buffer[1] = UInt8(ascii: "e")
      buffer[2] = UInt8(ascii: "q")
      buffer[3] = UInt8(ascii: "_")
      write(prefix, digits: 16, to: buffer, at: 4)
      write(counter, digits: 8, to: buffer, at: 20)
      return 28
    }
  }

  private func write(_ value: UInt64, digits: Int, to buffer: UnsafeMutableBufferPointer<UInt8>, at start: Int) {
    for position in 0..<digits {
      let nibble = UInt8(truncatingIfNeeded: value >> UInt64((digits - 1 - position) * 4)) & 0xf
      buffer[start + position] = nibble < 10 ? 0x30 + nibble : 0x57 + nibble
    }
  }
}

import Testing

@testable import TideEngine

/// Numbers written in place.
@Suite struct ByteWriterTests {
  private func decimal(_ value: UInt64) -> String {
    withUnsafeTemporaryAllocation(byteCount: 24, alignment: 1) { room in
      var writer = ByteWriter(UnsafeMutableRawBufferPointer(room))
      writer.write(decimal: value)
      return String(decoding: room[..<writer.count], as: UTF8.self)
    }
  }

  @Test("A number of any length is written as Swift writes it") func decimalsOfEveryLength() {
    var power: UInt64 = 1
    for _ in 0..<20 {
      for value in [power &- 1, power, power &+ 1, power / 2, power &* 7 / 3] {
        #expect(decimal(value) == String(value))
      }
      power = power &* 10
    }
    #expect(decimal(.max) == "18446744073709551615")
  }
}

import Testing

@testable import TideHTTP2

@Suite struct HeaderInflaterTests {
  private func status(_ inflater: HeaderInflater, _ block: [UInt8]) -> Int? {
    block.withUnsafeBytes { inflater.status(of: $0) }
  }

  /// `:status: 200` indexed, `:status: 404` as a literal, `x: yz` as a literal with a new name.
  private static let ok: [UInt8] = [0x88]
  private static let notFound: [UInt8] = [0x08, 3] + Array("404".utf8)
  private static let other: [UInt8] = [0x00, 1, UInt8(ascii: "x"), 2] + Array("yz".utf8)

  @Test func statusIsRead() {
    let inflater = HeaderInflater()
    #expect(status(inflater, Self.ok) == 200)
    #expect(status(inflater, Self.notFound + Self.other) == 404)
    // Trailers and an empty block have none; what is no number of three digits is none.
    #expect(status(inflater, Self.other) == 0)
    #expect(status(inflater, []) == 0)
    #expect(status(inflater, [0x08, 3] + Array("abc".utf8)) == 0)
    #expect(status(inflater, [0x08, 4] + Array("2000".utf8)) == 0)
  }

  @Test func aTruncatedBlockIsRefusedAndTheNextIsRead() {
    let inflater = HeaderInflater()
    let whole = Self.notFound + Self.other
    let ends = [0, Self.notFound.count, whole.count]
    for count in 0...whole.count {
      let read = status(inflater, Array(whole.prefix(count)))
      if ends.contains(count) { #expect(read != nil, "\(count)") } else { #expect(read == nil, "\(count)") }
      #expect(status(inflater, Self.ok) == 200, "\(count)")
    }
  }

  @Test func impossibleBlocksAreRefused() {
    let inflater = HeaderInflater()
    for block: [UInt8] in [
      [0x80], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], [0xBE], [0x08, 0x7F, 0xFF, 0xFF, 0xFF, 0x7F],
      [0x08, 0x83, 0xFF, 0xFF, 0xFF], [0x3F, 0xFF, 0xFF, 0x7F],
    ] {
      #expect(status(inflater, block) == nil, "\(block)")
      #expect(status(inflater, Self.ok) == 200, "\(block)")
    }
  }
}

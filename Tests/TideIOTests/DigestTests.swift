import Testing

@testable import TideIO

@Suite struct DigestTests {
  static func hex(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  @Test func knownVectors() {
    #expect(
      Self.hex(Digest.sha256(Array("abc".utf8)))
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(
      Self.hex(Digest.sha256([])) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    // RFC 4231, test case 2.
    #expect(
      Self.hex(Digest.hmacSHA256(key: Array("Jefe".utf8), Array("what do ya want for nothing?".utf8)))
        == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    #expect(
      Self.hex(Digest.hmacSHA256(key: [], [])) == "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad")
  }

  @Test func comparesAndDraws() {
    #expect(Digest.isEqual([1, 2, 3], [1, 2, 3]) && Digest.isEqual([], []))
    #expect(!Digest.isEqual([1, 2, 3], [1, 2, 4]) && !Digest.isEqual([1], [1, 2]))
    #expect(randomBytes(32) != randomBytes(32) && randomBytes(0).isEmpty)
  }
}

import Testing
import TideCore

@Suite struct Base64Tests {
  private func encode(_ text: String, _ alphabet: Base64.Alphabet = .standard) -> String {
    String(decoding: Array(text.utf8).withUnsafeBytes { Base64.encode($0, alphabet) }, as: UTF8.self)
  }

  private func decode(_ text: String, _ alphabet: Base64.Alphabet = .standard) -> [UInt8]? {
    Array(text.utf8).withUnsafeBytes { Base64.decode($0, alphabet) }
  }

  @Test func vectorsOfTheStandard() {
    let vectors = [
      ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
      ("foobar", "Zm9vYmFy"),
    ]
    for (text, encoded) in vectors {
      #expect(encode(text) == encoded)
      #expect(decode(encoded) == Array(text.utf8))
      let bare = encoded.filter { $0 != "=" }
      #expect(encode(text, .url) == bare)
      #expect(decode(bare, .url) == Array(text.utf8))
    }
    #expect(encode("\u{3FF}\u{FFF}", .url).contains("_"))
  }

  @Test func everyByteGoesThereAndBack() {
    for count in 0..<70 {
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 151 + 255) }
      for alphabet in [Base64.Alphabet.standard, .url] {
        let encoded = bytes.withUnsafeBytes { Base64.encode($0, alphabet) }
        #expect(encoded.withUnsafeBytes { Base64.decode($0, alphabet) } == bytes)
      }
    }
  }

  @Test(arguments: [
    "Z", "Zg", "Zg=", "Zg===", "=", "====", "Zm8", "Zm9v=", "Zm9v====", "Z=g=", "Zm 9v", "Zm9v\n", "Zm9-", "Zm9_",
    "Zh==",
    "Zm9=", "Zm9v\0", "ä===",
  ])
  func whatIsNotExactIsRefused(_ text: String) {
    #expect(decode(text) == nil)
  }

  @Test(arguments: ["Z", "Zg==", "Zm8=", "Zh", "Zm9", "Zm9+", "Zm9/", "Zm9v ", "Zm9vZ"])
  func theURLAlphabetIsAsStrict(_ text: String) {
    #expect(decode(text, .url) == nil)
  }
}

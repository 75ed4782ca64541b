import Testing

@testable import TideEngine

@Suite struct TokenTextTests {
  private func tokens(_ text: TokenText, _ count: Int? = nil) -> [String] {
    (0..<(count ?? text.count)).map { String(decoding: text.bytes[text.range(of: $0)], as: UTF8.self) }
  }

  @Test func wordsKeepTheSpaceBeforeThem() {
    #expect(tokens(TokenText(wordsOf: Array("To be,  or not".utf8))) == ["To", " be,", "  or", " not"])
    #expect(tokens(TokenText(wordsOf: Array(" a b ".utf8))) == [" a", " b "])
    #expect(tokens(TokenText(wordsOf: Array("  ".utf8))) == ["  "])
    #expect(TokenText(wordsOf: []).count == 0)
  }

  @Test func escapedLineBreaksAreSpace() {
    #expect(
      tokens(TokenText(wordsOf: Array(#"one\ntwo\t\tthree \"four\""#.utf8))) == [
        "one", #"\ntwo"#, #"\t\tthree"#, #" \"four\""#,
      ])
  }

  @Test func piecesNeverCutEscapesOrCharacters() {
    let text = #"a\"b\u00e9c\ud83d\ude00dé🌊\\"#
    for size in 1...12 {
      let pieces = tokens(TokenText(piecesOf: Array(text.utf8), byteCount: size))
      #expect(pieces.joined() == text)
      for piece in pieces {
        #expect(!piece.contains("\u{FFFD}"))
        #expect(!piece.hasPrefix(#"\ude00"#))
        #expect(!piece.hasPrefix(#"ude00"#) && !piece.hasPrefix("\"b"), "\(pieces)")
      }
    }
  }

  @Test func longWordsAreCut() {
    let word = [UInt8](repeating: UInt8(ascii: "x"), count: 3 * TokenText.tokenBytes)
    #expect(TokenText(wordsOf: word).count == 3)
  }

  @Test func loremRepeatsWithASpaceBetween() {
    let count = TokenText.lorem.count
    let words = tokens(.lorem, count + 1)
    #expect(words.first == "Lorem")
    #expect(words.last == " Lorem")
  }
}

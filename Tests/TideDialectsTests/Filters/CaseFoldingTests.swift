import Testing

@testable import TideDialects

@Suite struct CaseFoldingTests {
  @Test func foldsOneCharacterForOneTheSameInEveryLanguage() {
    let same: [(Character, Character)] = [
      ("A", "a"), ("Z", "z"), ("É", "é"), ("Σ", "σ"), ("ς", "σ"), ("K", "k"), ("ſ", "s"), ("ẞ", "ß"), ("Ω", "ω"),
      ("Ǆ", "ǆ"),
      ("ǅ", "ǆ"), ("Ა", "ა"), ("Ꭰ", "ꭰ"), ("Ж", "ж"), ("Ⱥ", "ⱥ"), ("𐐀", "𐐨"),
    ]
    for (a, b) in same {
      let x = CaseFolding.fold(a.unicodeScalars.first!.value)
      #expect(x == CaseFolding.fold(b.unicodeScalars.first!.value), "\(a) \(b)")
      #expect(CaseFolding.variants(of: a.unicodeScalars.first!.value).contains(b.unicodeScalars.first!.value))
    }
    let different: [(Character, Character)] = [
      ("İ", "i"), ("ı", "i"), ("ı", "I"), ("İ", "ı"), ("é", "e"), ("1", "l"), ("ﬀ", "f"),
    ]
    for (a, b) in different {
      #expect(
        CaseFolding.fold(a.unicodeScalars.first!.value) != CaseFolding.fold(b.unicodeScalars.first!.value), "\(a) \(b)")
    }
  }

  @Test func variantsShareTheirFoldAndNoOtherCharacterDoes() {
    for value in UInt32(0)...0x24FF {
      guard Unicode.Scalar(value) != nil else { continue }
      let variants = CaseFolding.variants(of: value)
      #expect(variants.contains(value) && variants.allSatisfy { CaseFolding.fold($0) == CaseFolding.fold(value) })
    }
    #expect(CaseFolding.variants(of: 0x6B) == [0x4B, 0x6B, 0x212A])
    #expect(CaseFolding.variants(of: 0x131) == [0x131])
  }

  @Test func noCharacterOutsideTheBlocksHasCase() {
    for value in UInt32(0)...0x10FFFF where !CaseFolding.casedBlocks.contains(where: { $0.contains(value) }) {
      guard let scalar = Unicode.Scalar(value) else { continue }
      #expect(!CaseFolding.hasCase(scalar), "U+\(String(value, radix: 16))")
    }
  }

  @Test func wordsEndWhereNoLetterDigitOrMarkGoesOn() {
    func isEdge(_ text: String) -> Bool {
      let scalars = Array(text.unicodeScalars)
      return WordEdge.isEdge(scalars[0].value, scalars[1].value)
    }
    for joined in [
      "ab", "a1", "é日".replacing("日", with: "ж"), "a_", "a\u{301}", "+\u{301}", "한국", "کt", "a\u{200D}", "\u{200D}a",
      "٣٤",
    ] {
      #expect(!isEdge(joined), "\(joined)")
    }
    for apart in ["a ", " a", "a.", "+1", "a-", "日本", "日a", "a日", "のa", "a’", "😀a", "a😀"] {
      #expect(isEdge(apart), "\(apart)")
    }
    #expect(WordEdge.isEdge(WordEdge.none, 0x61) && WordEdge.isEdge(0x61, WordEdge.none))
  }
}

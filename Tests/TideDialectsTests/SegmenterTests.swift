import Testing

@testable import TideDialects

@Suite struct SegmenterTests {
  static let samples = [
    "Hello, don't stop: the dogs' naïve 日本語テキスト x_1 3.14!  End",
    "Über Straße e\u{301}a — ’quoted’ it’s 한국어 단어.\r\n\r\nline two\nline",
    "One. Two!? \"Three.\" 3.14 is pi… 终わり。次。 last",
    String(repeating: "longword", count: 40) + " é" + String(repeating: "ü", count: 200), "\n\n a\r", "",
  ]

  /// Units and what lies between them, the latter joined.
  func pieces(_ text: [UInt8], _ unit: Segmenter.Unit, _ maxHeld: Int?, cuts: [Int]) -> [String] {
    var segmenter = Segmenter(unit: unit, maxHeld: maxHeld)
    var found: [String] = []
    var between: [UInt8] = []
    func take(_ piece: UnsafeRawBufferPointer, _ isUnit: Bool) {
      if isUnit {
        if !between.isEmpty { found.append("|" + String(decoding: between, as: UTF8.self)) }
        between = []
        found.append(String(decoding: piece, as: UTF8.self))
      } else {
        between += piece
      }
    }
    var last = 0
    for cut in cuts + [text.count] {
      text[last..<cut].withUnsafeBytes { segmenter.feed($0) { take($0, $1) } }
      last = cut
    }
    segmenter.finish { take($0, $1) }
    if !between.isEmpty { found.append("|" + String(decoding: between, as: UTF8.self)) }
    return found
  }

  @Test func unitsAreTheSameWhereverTheTextIsCut() {
    for sample in Self.samples {
      let text = bytes(sample)
      for unit in [Segmenter.Unit.word, .line, .sentence, .lane, .bytes(5), .bytes(1)] {
        for maxHeld in [nil, 8, 11] {
          let whole = pieces(text, unit, maxHeld, cuts: [])
          let joined = whole.map { $0.hasPrefix("|") ? String($0.dropFirst()) : $0 }.joined()
          #expect(joined == sample)
          for cut in 0...text.count {
            #expect(pieces(text, unit, maxHeld, cuts: [cut]) == whole, "\(unit) \(maxHeld ?? 0) \(cut)")
          }
          #expect(pieces(text, unit, maxHeld, cuts: Array(0..<text.count)) == whole, "\(unit) \(maxHeld ?? 0)")
        }
      }
    }
  }

  @Test func wordsAreWhatAReaderCallsWords() {
    #expect(
      pieces(bytes("Hello, don't stop: dogs' naïve 日本 x_1"), .word, nil, cuts: [])
        == ["Hello", "|, ", "don't", "| ", "stop", "|: ", "dogs", "|' ", "naïve", "| ", "日", "本", "| ", "x_1"])
    #expect(
      pieces(bytes("a\r\nb\n\nc"), .line, nil, cuts: []) == ["a", "|\r\n", "b", "|\n\n", "c"])
    #expect(
      pieces(bytes("One. \"Two!\" 3.14 end\nx"), .sentence, nil, cuts: []) == [
        "One.", "| ", "\"Two!\"", "| ", "3.14 end", "|\n", "x",
      ])
  }

  @Test func aWordLeavesWithTheByteAfterIt() {
    var segmenter = Segmenter(unit: .word)
    var found: [String] = []
    for piece in ["The", " sec", "ret", " is"] {
      bytes(piece).withUnsafeBytes {
        segmenter.feed($0) { text, _ in found.append(String(decoding: text, as: UTF8.self)) }
      }
    }
    #expect(found == ["The", " ", "secret", " "])
    #expect(segmenter.heldByteCount == 2)
  }
}

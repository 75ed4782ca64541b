import Testing
import TideCore

@testable import TideDialects

/// The scanner against the plain reading of what filters mean, on random filters and texts, cut everywhere.
@Suite struct FilterPropertyTests {
  /// Small, so that words and patterns meet all the time.
  static let letters = ["a", "b", "c", "A", "B", " ", "é", "É", "s", "ſ", "ß", "_", "日", "k", "\u{212A}", "\u{301}"]

  static func word(_ random: inout SeededNumbers) -> String {
    (0..<1 + random.below(4)).map { _ in random.pick(letters) }.joined()
  }

  static func pattern(_ random: inout SeededNumbers, depth: Int = 2) -> String {
    func atom(_ random: inout SeededNumbers) -> String {
      switch random.below(depth > 0 ? 9 : 7) {
      case 0: return "[ab]"
      case 1: return "[^a]"
      case 2: return "[a-cé-ſ]"
      case 3: return "."
      case 4...6: return random.pick(["a", "b", "c", "é", " ", "日"])
      default: return "(" + pattern(&random, depth: depth - 1) + ")"
      }
    }
    var result = ""
    for _ in 0..<1 + random.below(3) {
      result += atom(&random)
      if random.chance(40) { result += random.pick(["?", "{2}", "{0,2}", "{1,4}", "{2,6}"]) }
    }
    if random.chance(25) { result += "|" + atom(&random) + atom(&random) }
    return result
  }

  static func filters(_ random: inout SeededNumbers) -> [FilterDeclaration] {
    (0..<1 + random.below(3)).map { _ in
      if random.chance(55) {
        let ignoresCase = random.chance(50)
        var seen: Set<[UInt32]> = []
        let words = (0..<1 + random.below(5)).map { _ in word(&random) }.filter { word in
          seen.insert(word.unicodeScalars.map { ignoresCase ? CaseFolding.fold($0.value) : $0.value }).inserted
        }
        return .replace(words.map { ($0, "<\($0)>") }, ignoresCase: ignoresCase, wholeWords: random.chance(40))
      }
      // Random patterns may match the empty text, or need too many states; then another one is tried.
      while true {
        var text = pattern(&random)
        if !text.contains("|"), random.chance(20) { text = "\\b" + text }
        if !text.contains("|"), random.chance(20) { text += "\\b" }
        if (try? FilterSet([.block(text)])) != nil {
          return FilterDeclaration(.block(patterns: [.init(text)]))
        }
      }
    }
  }

  static func text(_ random: inout SeededNumbers) -> [UInt8] {
    bytes((0..<random.below(40)).map { _ in random.pick(letters + ["a", "a", "b", " "]) }.joined())
  }

  /// Block filters pass what they find, so that a text has many matches.
  static func passing(_ filters: FilterSet, _ text: [UInt8], cuts: [Int]) -> Filtered {
    filtered(filters, text, cuts: cuts) { match, out in
      out.append("{")
      out.append(match.text)
      out.append("}")
      return .replaced
    }
  }

  @Test(arguments: 0..<4) func allCutsGiveWhatThePlainReadingGives(_ seed: Int) throws {
    var random = SeededNumbers(seed: UInt64(seed) &* 7919 &+ 1)
    for _ in 0..<12 {
      let declarations = Self.filters(&random)
      let hold = FilterHold(byteCount: random.chance(30) ? 16 : 256, isStrict: random.chance(30))
      let compiled = try FilterSet(declarations, hold: hold)
      let reference = try ReferenceFilters(declarations, hold: hold)
      for _ in 0..<3 {
        let text = Self.text(&random)
        let expected = reference.run(text, isEnd: true)
        let whole = filtered(compiled, text)
        #expect(
          whole.output == expected.output && whole.step == expected.step,
          "\(declarations) \(String(decoding: text, as: UTF8.self))")
        let passed = Self.passing(compiled, text, cuts: [])
        for cut in 0...text.count {
          let found = filtered(compiled, text, cuts: [cut])
          #expect(
            found.output == expected.output && found.step == expected.step,
            "\(declarations) \(cut) \(String(decoding: text, as: UTF8.self))")
          #expect(Self.passing(compiled, text, cuts: [cut]).output == passed.output)
        }
        let bytewise = filtered(compiled, text, cuts: Array(0..<text.count))
        #expect(bytewise.output == expected.output && bytewise.step == expected.step)
        #expect(Self.passing(compiled, text, cuts: Array(0..<text.count)).output == passed.output)
      }
    }
  }

  @Test(arguments: 0..<4) func whatIsHeldIsExact(_ seed: Int) throws {
    var random = SeededNumbers(seed: UInt64(seed) &* 104_729 &+ 5)
    for _ in 0..<12 {
      let declarations = Self.filters(&random)
      let hold = FilterHold(byteCount: random.chance(30) ? 16 : 256, isStrict: random.chance(30))
      let compiled = try FilterSet(declarations, hold: hold)
      let reference = try ReferenceFilters(declarations, hold: hold)
      for _ in 0..<3 {
        let text = Self.text(&random)
        // Character by character: what is held after each is what the plain reading of so much text leaves open.
        let ends = text.indices.filter { $0 > 0 && text[$0] & 0xC0 != 0x80 }
        let found = filtered(compiled, text, cuts: ends)
        for (end, held) in zip(ends + [text.count], found.held) where !text.isEmpty {
          let expected = reference.run(Array(text[..<end]), isEnd: false)
          guard expected.step == .proceed else { break }
          #expect(held == end - expected.kept, "\(declarations) \(end) \(String(decoding: text, as: UTF8.self))")
        }
      }
    }
  }
}

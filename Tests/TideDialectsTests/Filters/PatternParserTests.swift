import Testing

@testable import TideDialects

@Suite struct PatternParserTests {
  func matches(_ pattern: String, _ text: String, byteCountMax: Int? = nil, ignoresCase: Bool = false) throws -> Bool {
    let filter = FilterDeclaration(
      .block(patterns: [.init(pattern, byteCountMax: byteCountMax, ignoresCase: ignoresCase)]))
    let found = filtered(try FilterSet([filter]), bytes(text)) { match, _ in
      match.text.elementsEqual(text.utf8) ? .cut : .pass
    }
    return found.step == .cut
  }

  @Test func readsTheBoundedSubset() throws {
    let cases: [(String, [String], [String])] = [
      ("abc", ["abc"], ["ab", "abd"]),
      ("a.c", ["abc", "a日c", "a😀c"], ["a\nc", "ac"]),
      ("[a-c]x", ["ax", "cx"], ["dx"]),
      ("[^a-c]x", ["dx", "日x"], ["ax"]),
      ("[]a]", ["]", "a"], ["b"]),
      ("[a-]", ["a", "-"], ["b"]),
      ("[\\]\\\\]", ["]", "\\"], ["["]),
      ("\\d\\w\\s", ["1_ ", "9z\t"], ["a_ ", "é1 "]),
      ("\\D\\W\\S", ["a-a", "é+é"], ["1-a"]),
      ("[\\d.]{2}", ["1.", "22"], ["1a"]),
      ("a{3}", ["aaa"], ["aa"]),
      ("a{2,4}b?", ["aa", "aaaab"], ["ab"]),
      ("(ab|cd){1,2}", ["ab", "cdab"], ["ac"]),
      ("(?:a|b|cd)e", ["ae", "cde"], ["ce"]),
      ("(?i)STRASSE", ["strasse", "ſtraſſe"], ["straße"]),
      ("(?i)[k-m]é", ["Ké", "lÉ", "\u{212A}É"], ["jé"]),
      ("(?i)[^k]x", ["jX"], ["Kx", "\u{212A}x"]),
      ("\\x41\\x{1F600}", ["A😀"], ["a😀"]),
      ("[α-ω]{2}", ["αω"], ["ΑΩ"]),
      ("[\\x{0}-\\x{10FFFF}]x", ["\nx", "\u{10FFFF}x", "\u{E000}x", "\u{800}x"], []),
      ("[\\x{7F0}-\\x{1000}]", ["\u{7F0}", "\u{7FF}", "\u{800}", "\u{FFF}", "\u{1000}"], ["\u{7EF}", "\u{1001}"]),
      ("\\.\\*\\[\\{\\|\\(\\^\\$\\-", [".*[{|(^$-"], []),
    ]
    for (pattern, yes, no) in cases {
      for text in yes { #expect(try matches(pattern, text), "\(pattern) \(text)") }
      for text in no { #expect(try !matches(pattern, text), "\(pattern) \(text)") }
    }
    #expect(try matches("a+b*", "aaabb", byteCountMax: 8))
    #expect(try !matches("a+b", "aaaaaaaab", byteCountMax: 8))
    #expect(try matches("ab{2,}", "abbb", byteCountMax: 8, ignoresCase: true))
  }

  @Test func refusesWhatItCannotBoundAndSaysWhatToDo() {
    let cases: [(String, Int, String)] = [
      ("ab+c", 3, "+ has no upper bound; write {1,64} or so, or give the pattern a max_len"),
      ("a.*", 3, "* has no upper bound"),
      ("a{3,}", 2, "{3,} has no upper bound"),
      ("(a)\\1", 4, "back-references are not known"),
      ("a(?=b)", 2, "cannot look around"),
      ("(?<!a)b", 1, "cannot look around"),
      ("(?<name>a)", 1, "groups are ( ) and (?: )"),
      ("^a", 1, "^ is not known"),
      ("a$", 2, "$ is not known"),
      ("a?", 1, "matches the empty text"),
      ("a{1,2}?", 7, "remove the ?"),
      ("a{1,2}{2}", 7, "a repeat of a repeat"),
      ("a{4,2}", 2, "ends below its beginning"),
      ("a{0}", 2, "a repeat of nothing"),
      ("a{x}", 2, "a repeat is {n} or {m,n}"),
      ("a{99999}", 3, "repeats go up to 10000"),
      ("{a", 1, "{ repeats nothing"),
      ("*a", 1, "* repeats nothing"),
      ("(ab", 1, "the group is not closed"),
      ("ab)", 3, ") closes no group"),
      ("[ab", 1, "the class is not closed"),
      ("[z-a]", 2, "a range in a class"),
      ("[[:alpha:]]", 2, "named classes"),
      ("a\\", 2, "the pattern ends with a \\"),
      ("\\p{L}", 1, "\\p is not known"),
      ("\\q", 1, "\\q is not known"),
      ("\\xZZ", 1, "a character by its number"),
      ("\\x{D800}", 1, "a character by its number"),
      ("a\\bc", 2, "\\b may stand at the very beginning"),
      ("(a\\b|c)", 3, "\\b may stand"),
      ("\\ba|b", 1, "put the alternatives in ( )"),
      ("(a{1000}){1000}", 1, "at most 65536 can be held back"),
      (String(repeating: "(", count: 40) + "a", 33, "nested deeper than 32"),
    ]
    for (pattern, position, message) in cases {
      do throws(PatternProblem) {
        _ = try PatternParser.parse(pattern)
        Issue.record("\(pattern) was accepted")
      } catch {
        #expect(error.position == position && error.message.contains(message), "\(pattern): \(error)")
      }
    }
    #expect(throws: Never.self) { try PatternParser.parse("\\b(?:a|b)\\b") }
    #expect(throws: PatternProblem.self) { try PatternParser.parse("a{20}", maxByteCount: 10) }
  }

  @Test func knowsHowLongMatchesAre() throws {
    for (pattern, longest) in [("a{1,200}b", 201), ("é|a日", 4), ("[^a]{2}", 8), ("(ab?){3}", 6)] {
      #expect(try PatternParser.parse(pattern).byteCountMax == longest)
    }
    #expect(try PatternParser.parse("a+", maxByteCount: 40).byteCountMax == 40)
    #expect(try PatternParser.parse("a{3}", maxByteCount: 40).byteCountMax == 3)
  }
}

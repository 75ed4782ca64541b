import Testing

@testable import TideRegex

@Suite struct SyntaxTests {
  @Test(
    arguments: [
      ("abc", "xabcx", ["abc"]), ("a|ab", "ab", ["a"]), ("ab|a", "ab", ["ab"]), ("", "abc", [""]),
      ("(a+)(b*)", "xaabb", ["aabb", "aa", "bb"]), ("a+?", "aaa", ["a"]), ("a*?b", "aab", ["aab"]),
      ("(?:ab){2}", "ababab", ["abab"]), ("a{2,}", "aaaa", ["aaaa"]), ("a{2,3}?", "aaaa", ["aa"]),
      ("a{0}b", "ab", ["b"]),
      ("a{x}", "a{x}", ["a{x}"]), ("{}", "{}", ["{}"]), ("]", "]", ["]"]), ("[]a]+", "a]", ["a]"]),
      ("[^]a]+", "]ab]", ["b"]), ("[a-]+", "-a", ["-a"]), ("[-a]+", "-a", ["-a"]), ("[a\\-z]+", "-z", ["-z"]),
      ("[\\w.]+", "a.b c", ["a.b"]), ("\\d+\\s\\d+", "a 12 34", ["12 34"]), ("\\D\\S\\W", "1a2-", ["a2-"]),
      ("\\x41\\x{e4}", "Aä", ["Aä"]), ("[\\x{1F600}-\\x{1F64F}]", "a😀", ["😀"]), ("ä.ö", "äßö", ["äßö"]),
      ("[äöü]+", "aöüä", ["öüä"]), ("[^ä]", "äx", ["x"]), (".", "\n", nil), ("a.b", "a\nb", nil),
      ("^b", "ab", nil), ("b$", "ba", nil), ("^$", "", [""]), ("\\bfoo\\b", "foo-bar", ["foo"]),
      ("\\bfoo\\b", "foobar", nil),
      ("\\Boo", "foo", ["oo"]), ("\\Aa\\z", "a", ["a"]), ("(a)|(b)", "b", ["b", nil, "b"]),
      ("(?i)straße", "STRAßE", ["STRAßE"]), ("(?i:a)b", "Ab", ["Ab"]), ("(?i:a)b", "AB", nil),
      ("a(?i)b|c", "aB", ["aB"]), ("(?i)a(?-i)b", "AB", nil), ("(?s).", "\n", ["\n"]), ("(?m)^b$", "a\nb\nc", ["b"]),
      ("\\.\\*\\(\\)\\[\\]\\{\\}\\\\", ".*()[]{}\\", [".*()[]{}\\"]), ("\\/\\-\\@", "/-@", ["/-@"]),
      ("(?:|a)*", "aa", [""]), ("(?:a|)*", "aa", ["aa"]), ("(a*)*", "aab", ["aa", "aa"]),
      ("(a|b)*", "abc", ["ab", "b"]),
      ("(?:a?){3}", "aaaa", ["aaa"]), ("x*", "y", [""]), ("a\\nb\\t", "a\nb\t", ["a\nb\t"]),
    ] as [(String, String, [String?]?)])
  func finds(_ pattern: String, _ text: String, _ wanted: [String?]?) throws {
    #expect(try matcher(pattern).found(text) == wanted)
    #expect(try matcher(pattern).matches(text) == (wanted != nil))
  }

  @Test(arguments: [
    ("a)", "a ) that closes no group at byte 2"), ("(a", "the group is never closed at byte 1"),
    ("a(b(c)", "the group is never closed at byte 2"), ("[a", "the class is never closed at byte 1"),
    ("[", "the class is never closed at byte 1"), ("*a", "nothing to repeat before * at byte 1"),
    ("a|+", "nothing to repeat before + at byte 3"), ("({2})", "nothing to repeat before { at byte 2"),
    ("a**", "a repetition of a repetition: put the inner one in (?: ) at byte 3"),
    ("a{2}{3}", "a repetition of a repetition: put the inner one in (?: ) at byte 5"),
    ("a*+", "possessive repetition is not supported at byte 3"),
    ("^*", "nothing to repeat: this matches no text at byte 1"),
    ("a{3,2}", "a repetition whose minimum is above its maximum at byte 2"),
    ("a{1001}", "a repetition of more than 1000 at byte 2"),
    ("a{99999999999999999999}", "a repetition of more than 1000 at byte 2"),
    ("a{,3}", "a repetition needs its minimum: write {0,n} at byte 2"),
    ("(a)\\1", "back-references are not supported at byte 4"), ("ä\\q", "unknown escape \\q at byte 3"),
    ("a\\", "the pattern ends with a backslash at byte 2"), ("(?=a)", "look-ahead is not supported at byte 1"),
    ("(?<!a)", "look-behind is not supported at byte 1"),
    ("(?<n>a)", "named groups are not supported: captures are numbered at byte 1"),
    ("(?x)a", "unknown flag x: there are i, m and s at byte 3"), ("(?i", "the group is never closed at byte 1"),
    ("(?>a)", "atomic groups are not supported at byte 1"),
    ("[z-a]", "a range whose ends are the wrong way round at byte 2"),
    ("[\\d-z]", "a range needs a character at each end at byte 2"),
    ("[a-\\d]", "a range needs a character at each end at byte 2"),
    ("[\\b]", "an assertion cannot stand in a class at byte 2"),
    ("[[:alpha:]]", "named classes are not supported: write \\w, \\d or a range at byte 2"),
    ("\\p{L}", "classes of Unicode properties are not supported: write a range at byte 1"),
    ("\\x{110000}", "there is no such character at byte 1"), ("\\x{d800}", "there is no such character at byte 1"),
    ("\\xg1", "write \\x{1F600}, or \\x41 with two digits at byte 1"),
    ("\\x{", "write \\x{1F600}, or \\x41 with two digits at byte 1"),
    ("\\ä", "a backslash before what needs none at byte 1"),
  ])
  func refusesWithThePlace(_ pattern: String, _ message: String) throws {
    #expect(throws: RegexSyntaxError.self) { try RegexProgram(pattern) }
    do { _ = try RegexProgram(pattern) } catch { #expect(error.description == message) }
  }

  @Test(arguments: [
    "((a{100}){100}){100}", "(?:(?:(?:){1000}){1000}){1000}", "(?:[^a]{1000}){100}", "(?:\\W?){1000}{1000}",
  ])
  func whatMultipliesIsRefused(_ pattern: String) {
    #expect(throws: RegexSyntaxError.self) { try RegexProgram(pattern) }
  }

  @Test func depthAndLengthAreBounded() {
    let deep = String(repeating: "(?:", count: 101) + String(repeating: ")", count: 101)
    #expect(throws: RegexSyntaxError("groups are nested deeper than 100", at: 303)) { try RegexProgram(deep) }
    #expect(throws: RegexSyntaxError.self) { try RegexProgram(String(repeating: "(?:", count: 20_000)) }
    #expect(throws: RegexSyntaxError.self) { try RegexProgram(String(repeating: "a", count: 70_000)) }
    #expect(throws: RegexSyntaxError.self) { try RegexProgram(String(repeating: "(a)", count: 65)) }
    #expect(throws: RegexSyntaxError("the pattern is longer than 1024 bytes")) {
      try RegexProgram(String(repeating: "a", count: 1025), limits: .small)
    }
    #expect(throws: RegexSyntaxError.self) { try RegexProgram("[^a]{200}", limits: .small) }
    #expect(throws: Never.self) { try RegexProgram("[^a]{50}", limits: .small) }
  }

  @Test func caseFoldsByOrbit() throws {
    for (pattern, text) in [
      ("k", "\u{212A}"), ("\u{212A}", "K"), ("s", "ſ"), ("σ", "ς"), ("Ä", "ä"), ("[à-ö]", "À"), ("ж", "Ж"),
    ] {
      #expect(try matcher(pattern, "i").matches(text) == true, "\(pattern) \(text)")
      #expect(try matcher(pattern).matches(text) == false)
    }
    #expect(try matcher("[^k]", "i").matches("\u{212A}K") == false)
    #expect(try matcher("ß", "i").matches("ss") == false, "mappings to several characters do not count")
  }
}

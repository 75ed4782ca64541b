import Testing
import TideCore

@testable import TideRegex

@Suite struct MatchingTests {
  /// Every engine against one that tries everything, over small random patterns and texts.
  @Test func allEnginesAgree() throws {
    var random = SeededNumbers(seed: 7)
    var compared = 0
    for _ in 0..<6_000 {
      let pattern = Self.pattern(&random, depth: 3)
      let program: RegexProgram
      do { program = try RegexProgram(pattern) } catch { continue }
      let matcher = RegexMatcher(program)
      for _ in 0..<4 {
        let text = (0..<Int.random(in: 0...8, using: &random)).map { _ in Self.letters.randomElement(using: &random)! }
        let bytes = text.flatMap { Array($0.utf8) }
        let wanted = try Backtracker(pattern, [], bytes).firstMatch(from: 0)
        let place = matcher.place(bytes)
        #expect(place == wanted?.range, "\(pattern) over \(text)")
        #expect(
          bytes.withUnsafeBytes { matcher.matches($0, poll: { false }) } == (wanted != nil), "\(pattern) over \(text)")
        let simulation = ThreadSimulation(program)
        let outcome = bytes.withUnsafeBytes { simulation.run($0, from: 0, isAnchored: false, poll: { false }) }
        #expect(outcome == (wanted == nil ? .none : .match))
        if let wanted {
          #expect(Int(simulation.slots[0])..<Int(simulation.slots[1]) == wanted.range, "\(pattern) over \(text)")
          let captures = bytes.withUnsafeBytes { matcher.captures(of: wanted.range, in: $0, poll: { false }) }
          #expect(captures == wanted.captures, "\(pattern) over \(text)")
        }
        compared += 1
      }
    }
    #expect(compared > 10_000)
  }

  private static let letters = ["a", "b", "ä", "\n", " "]

  private static func pattern(_ random: inout SeededNumbers, depth: Int) -> String {
    switch Int.random(in: 0..<(depth == 0 ? 7 : 13), using: &random) {
    case 0, 1: return "a"
    case 2: return "b"
    case 3: return "ä"
    case 4: return ["[ab]", "[^a]", ".", "[ä-ö]", "\\s", "\\W"].randomElement(using: &random)!
    case 5: return ["^", "$", "\\b", "\\B", "(?m:^)", "(?m:$)"].randomElement(using: &random)!
    case 6: return ["", "(?i:A)"].randomElement(using: &random)!
    case 7, 8: return pattern(&random, depth: depth - 1) + pattern(&random, depth: depth - 1)
    case 9: return "(?:" + pattern(&random, depth: depth - 1) + "|" + pattern(&random, depth: depth - 1) + ")"
    case 10: return "(" + pattern(&random, depth: depth - 1) + ")"
    default:
      // Only what takes text is repeated: what a round that takes nothing leaves in captures is nobody's contract.
      let inner = ["a", "b", "[^b]", "(?:ab|a)", "(a|ä)", "(?:a|b)"].randomElement(using: &random)!
      let times = ["*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{0,2}?", "{2,}"].randomElement(using: &random)!
      return inner + times
    }
  }

  @Test func nullableLoopsPreferAsABacktrackerDoes() throws {
    for pattern in [
      "(?:|a)*", "(?:a|)*", "(?:|a)+", "(?:a*)*b", "(?:a?b??)*", "(?:(?:|a)+)*", "(?:a??)*$", "(?:|a){2,}$",
    ] {
      for text in ["", "a", "aa", "ab", "aab", "ba"] {
        let bytes = Array(text.utf8)
        #expect(
          try matcher(pattern).place(bytes) == Backtracker(pattern, [], bytes).firstMatch(from: 0)?.range,
          "\(pattern) over \(text)")
      }
    }
  }

  @Test func everyScalarIsTakenByExactlyItsClass() throws {
    // The ends of every length of UTF-8, and around the surrogates.
    let edges: [UInt32] = [0, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x3FFFF, 0x40000, 0x10FFFF]
    for low in edges {
      for high in edges where high >= low {
        let program = try RegexProgram("[\\x{\(String(low, radix: 16))}-\\x{\(String(high, radix: 16))}]")
        let matcher = RegexMatcher(program)
        for edge in edges {
          let bytes = Array(String(Character(Unicode.Scalar(edge)!)).utf8)
          #expect(matcher.place(bytes) == ((low...high).contains(edge) ? 0..<bytes.count : nil))
        }
      }
    }
  }

  @Test func bytesThatAreNotUTF8MatchNothing() throws {
    let any = try matcher(".")
    for bytes: [UInt8] in [
      [0xFF], [0xC3], [0xE2, 0x82], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0x80],
    ] {
      #expect(any.place(bytes) == nil)
      #expect(any.place(bytes + [0x61]) == bytes.count..<bytes.count + 1)
    }
  }

  @Test func searchesGoOnFromAPlaceAndSeeWhatStandsBefore() throws {
    let text = Array("foo foobar".utf8)
    #expect(try matcher("\\bfoo").place(text, from: 1) == 4..<7)
    #expect(try matcher("^foo").place(text, from: 4) == nil)
    #expect(try matcher("\\Boo").place(text, from: 1) == 1..<3)
    #expect(try matcher("o*").place(text, from: 10) == 10..<10)
  }

  /// Patterns and texts that take a backtracking matcher for ever.
  @Test(arguments: [
    ("(?:a+)+$", "a"), ("(?:a|a)*c", "a"), ("(?:a*)*c", "a"), ("(?:.*)*x", "a"), ("(?:a|aa)+$", "a"),
    ("a*a*a*a*a*c", "a"),
    ("(?:[a-z]+\\s?)*!", "ab "),
  ])
  func hostileTextsTakeStepsInProportion(_ pattern: String, _ piece: String) throws {
    func steps(_ count: Int) throws -> Int {
      let bytes = Array((String(repeating: piece, count: count) + "#").utf8)
      var polls = 0
      let program = try RegexProgram(pattern)
      let simulation = ThreadSimulation(program)
      let outcome = bytes.withUnsafeBytes {
        simulation.run(
          $0, from: 0, isAnchored: false,
          poll: {
            polls += 1
            return false
          })
      }
      #expect(outcome == .none)
      let place = RegexMatcher(program).place(bytes)
      #expect(place == nil)
      return polls
    }
    let (once, twice) = (try steps(20_000), try steps(40_000))
    #expect(twice <= 2 * once + 2, "\(once) looks, then \(twice)")
  }

  /// (a|b)*a(a|b){n} has 2^n states: memory stays bounded, the answer right.
  @Test func statesAreBounded() throws {
    let matcher = try matcher("[ab]*a[ab]{14}c")
    var random = SeededNumbers(seed: 3)
    let noise = (0..<200_000).map { _ in Bool.random(using: &random) ? UInt8(ascii: "a") : UInt8(ascii: "b") }
    let text = noise + Array("#".utf8) + Array(repeating: UInt8(ascii: "a"), count: 15) + Array("c".utf8)
    #expect(matcher.place(text) == 200_001..<200_017)
    #expect(matcher.byteCount < 2 << 20)
    matcher.removeAll()
    #expect(matcher.byteCount == 0)
  }

  @Test func aPollStopsEveryEngine() throws {
    let text = Array(String(repeating: "ab", count: 100_000).utf8)
    let captured = try matcher("(?:(a)|(b))*c")
    text.withUnsafeBytes { bytes in
      #expect(captured.matches(bytes, poll: { true }) == nil)
      #expect(captured.firstMatch(in: bytes, from: 0, poll: { true }) == .stopped)
      #expect(captured.captures(of: 0..<bytes.count, in: bytes, poll: { true }) == nil)
    }
  }
}

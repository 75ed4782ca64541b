import TideCore
import Testing

@testable import TideDialects

/// What filters do, told by examples.
@Suite struct FilterTests {
  func run(_ declarations: [FilterDeclaration], _ text: String) throws -> String {
    String(decoding: filtered(try FilterSet(declarations), bytes(text)).output, as: UTF8.self)
  }

  // MARK: Which match wins

  @Test func theLeftmostLongestMatchWinsThenTheEarlierListed() throws {
    #expect(try run([.replace([("ab", "1"), ("abc", "2"), ("bcd", "3")])], "xabcd abx") == "x2d 1x")
    let first = FilterDeclaration.replace([("abc", "first")])
    let second = FilterDeclaration.replace([("abc", "second")])
    #expect(try run([first, second], "abc") == "first")
    #expect(try run([second, first], "abc") == "second")
    #expect(try run([.replace([("4111", "no")]), .mask(.card)], "4111111111111111") == "[card]")
  }

  @Test func whatTakesAMatchsPlaceIsNotScannedAgain() throws {
    #expect(try run([.replace([("a", "aa"), ("b", "a")])], "ab") == "aaa")
    #expect(try run([.replace([("x", "bob@example.com")]), .mask(.email)], "x") == "bob@example.com")
  }

  // MARK: Words

  @Test func wholeWordsStandBetweenEdgesOfUnicodeWords() throws {
    let filters: [FilterDeclaration] = [.replace([("cat", "dog"), ("日本", "Japan")], wholeWords: true)]
    #expect(try run(filters, "cat, cats, tomcat, cat's café_cat cat") == "dog, cats, tomcat, dog's café_cat dog")
    #expect(try run(filters, "écat caté cat\u{301} 日本語") == "écat caté cat\u{301} Japan語")
  }

  @Test func caseIsFoldedForAllScripts() throws {
    let filters: [FilterDeclaration] = [
      .replace([("straße", "1"), ("ΟΔΟΣ", "2"), ("kelvin", "3"), ("ЖУК", "4")], ignoresCase: true)
    ]
    #expect(try run(filters, "STRAẞE οδος οδοσ \u{212A}ELVIN жук STRASSE") == "1 2 2 3 4 STRASSE")
  }

  // MARK: Held back

  /// Bytes held after each piece.
  func held(_ declarations: [FilterDeclaration], _ pieces: String...) throws -> [Int] {
    var cuts: [Int] = []
    for piece in pieces.dropLast() { cuts.append((cuts.last ?? 0) + piece.utf8.count) }
    return filtered(try FilterSet(declarations), bytes(pieces.joined()), cuts: cuts).held
  }

  @Test func onlyWhatCanStillBecomeAMatchIsHeld() throws {
    let words: [FilterDeclaration] = [.replace([("ACME Corp", "Contoso")])]
    #expect(try held(words, "the quick", " brown A", "CME Cor", "e fox") == [0, 1, 8, 0])
    #expect(try held(words, "ACME Corp", "ACME Corp") == [0, 0])
    // A whole word waits for the character that follows it, no more.
    #expect(try held([.replace([("cat", "dog")], wholeWords: true)], "a cat", " ", "concat", "cat") == [3, 0, 0, 0])
    #expect(try held([.mask(.card)], "pay 4111 1111 1111 1111", " x") == [19, 0])
    #expect(try held([.mask(.email)], "Hello, world! ", "1 < 2; ") == [0, 0])
  }

  @Test func aHoldKnowsSinceWhenAndIsLetGo() throws {
    var scanner = FilterScanner(try FilterSet([.replace([("ACME Corp", "Contoso"), ("AC", "dc")])]))
    var out = ByteQueue()
    func feed(_ text: String, at ns: UInt64) {
      _ = bytes(text).withUnsafeBytes {
        scanner.feed($0, now: MonotonicTime(nanoseconds: ns), into: &out) { _, _ in .standard }
      }
    }
    feed("an AC", at: 5)
    #expect(scanner.heldSince == MonotonicTime(nanoseconds: 5) && scanner.heldByteCount == 2)
    feed("ME", at: 6)
    #expect(scanner.heldSince == MonotonicTime(nanoseconds: 5) && scanner.heldByteCount == 4)
    // The shorter match is whole; what follows it goes as it is.
    #expect(scanner.flush(.time, into: &out) { _, _ in .standard } == .proceed)
    #expect(Array(out.readableBytes) == bytes("an dcME") && scanner.heldSince == nil && scanner.heldByteCount == 0)
    feed(" Corp AC", at: 7)
    #expect(scanner.heldSince == MonotonicTime(nanoseconds: 7))
    #expect(scanner.finish(into: &out) { _, _ in .standard } == .proceed)
    #expect(Array(out.readableBytes) == bytes("an dcME Corp dc"))
  }

  @Test func aStrictHoldEndsTheAnswerAtItsBounds() throws {
    let pattern = FilterDeclaration.block("<[a-z]{1,60}>")
    let strict = try FilterSet([pattern], hold: FilterHold(byteCount: 16, isStrict: true))
    let loose = try FilterSet([pattern], hold: FilterHold(byteCount: 16))
    let text = bytes("ok <" + String(repeating: "a", count: 40) + "> end")
    for cut in 0...text.count {
      let found = filtered(strict, text, cuts: [cut])
      #expect(found.step == .overHold && found.output == bytes("ok "))
      #expect(filtered(loose, text, cuts: [cut]).output == text)
    }
    #expect(filtered(strict, bytes("ok <abc> end")).step == .cut)

    var scanner = FilterScanner(strict)
    var out = ByteQueue()
    _ = bytes("ok <a").withUnsafeBytes {
      scanner.feed($0, now: MonotonicTime(nanoseconds: 1), into: &out) { _, _ in .standard }
    }
    #expect(scanner.flush(.time, into: &out) { _, _ in .standard } == .overHold)
    #expect(Array(out.readableBytes) == bytes("ok ") && scanner.hasEnded)
  }

  // MARK: What the caller decides

  @Test func theCallerDecidesAboutMatchesThatAsk() throws {
    let filters = try FilterSet([
      FilterDeclaration(.mask(kinds: [.email], with: "[{kind}]"), asksOnMatch: true), .block("secret{1,2}"),
      FilterDeclaration(.restore(map: "pii")),
    ])
    let text = bytes("a@b.com <EMAIL_1> secret tail")
    for cut in 0...text.count {
      let standard = filtered(filters, text, cuts: [cut])
      #expect(standard.step == .cut && standard.output == bytes("[email] <EMAIL_1> "))
      #expect(standard.asked == ["email:a@b.com", "placeholder:<EMAIL_1>", "pattern:secret"])
      let decided = filtered(filters, text, cuts: [cut]) { match, out in
        switch match.filter {
        case 0: return .pass
        case 1: return .replaced
        default:
          out.append("a@b.com")
          return .replaced
        }
      }
      #expect(decided.step == .proceed && decided.output == bytes("a@b.com a@b.com  tail"))
    }
  }

  @Test func nothingIsSaidAfterTheEnd() throws {
    var scanner = FilterScanner(try FilterSet([.block("stop")]))
    var out = ByteQueue()
    for (text, step) in [("go stop go", FilterStep.cut), ("stop", .proceed), ("more", .proceed)] {
      let found = bytes(text).withUnsafeBytes {
        scanner.feed($0, now: MonotonicTime(nanoseconds: 1), into: &out) { _, _ in .standard }
      }
      #expect(found == step)
    }
    #expect(Array(out.readableBytes) == bytes("go ") && scanner.matchCount == 1)
  }

  // MARK: Refused sets

  @Test func whatCannotBeCompiledIsRefusedWithTheFilterAndTheReason() {
    let long = String(repeating: "x", count: 300)
    let cases: [([FilterDeclaration], String)] = [
      ([.mask(.email), .replace([])], "filters[2]: replace: words is empty"),
      ([.replace([("", "x")])], "filters[1]: replace: a word is empty"),
      (
        [.replace([("Ab", "1"), ("aB", "2")], ignoresCase: true)],
        "\"Ab\" and \"aB\" are the same word with ignore_case"
      ),
      ([.replace([(long, "")])], "may have 300 bytes, and hold.bytes is 256; raise hold.bytes"),
      ([FilterDeclaration(.mask(kinds: [], with: ""))], "mask: kinds is empty; there are email"),
      ([.block()], "block: patterns is empty"),
      ([.block("ok", "a+")], "block: patterns[2]: at character 2 of \"a+\": + has no upper bound"),
      ([.block("a{300}")], "its shortest match has 300 bytes, and hold.bytes is 256; raise hold.bytes"),
      ([FilterDeclaration(.limit(outputTokens: 0))], "limit: output_tokens must be above 0"),
      ([.block("(a|b|c|d|e){1,10000}")], "states; lower"),
      ([.block("([ab]{1,30}a[ab]{1,30}b){1,3}x")], "states; lower"),
    ]
    for (declarations, message) in cases {
      do throws(FilterProblem) {
        _ = try FilterSet(declarations)
        Issue.record("accepted: \(message)")
      } catch {
        #expect(error.description.contains(message), "\(error)")
      }
    }
  }

  @Test func limitsNeedNoScan() throws {
    let filters = try FilterSet([
      FilterDeclaration(.limit(outputTokens: 30)), FilterDeclaration(.limit(outputTokens: 20)),
    ])
    #expect(filters.outputTokensMax == 20 && !filters.scans)
    #expect(filtered(filters, bytes("as it is"), cuts: [3]).output == bytes("as it is"))
  }
}

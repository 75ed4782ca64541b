import Testing

@testable import TideDialects

@Suite struct OutputLimitTests {
  func run(_ text: [UInt8], cuts: [Int], tokensMax: Int, _ estimate: OutputLimit.Estimate = OutputLimit.fourBytesAToken)
    -> (passed: Int, isReached: Bool)
  {
    var limit = OutputLimit(tokensMax: tokensMax)
    var passed = 0
    var last = 0
    for cut in cuts + [text.count] {
      let admitted = text[last..<cut].withUnsafeBytes { limit.admit($0, estimate: estimate) }
      passed += admitted.byteCount
      if admitted.isReached { return (passed, true) }
      last = cut
    }
    return (passed, false)
  }

  @Test func theAnswerEndsAtTheSameCharacterHoweverItWasCut() {
    let text = bytes("The tide é日本 comes 😀 in and goes out again, twice a day.")
    let characters = text.indices.filter { text[$0] & 0xC0 != 0x80 } + [text.count]
    // A character outside of ASCII weighs a token, others a quarter.
    let estimate: OutputLimit.Estimate = { text in
      text.reduce(0) { $0 + ($1 < 0x80 ? 250 : $1 & 0xC0 == 0x80 ? 0 : 1_000) }
    }
    for tokensMax in 1...20 {
      for weigh in [OutputLimit.fourBytesAToken, estimate] {
        let whole = run(text, cuts: [], tokensMax: tokensMax, weigh)
        #expect(characters.contains(whole.passed))
        #expect(text[..<whole.passed].withUnsafeBytes(weigh) <= tokensMax * 1_000)
        if let next = characters.first(where: { $0 > whole.passed }) {
          #expect(text[..<next].withUnsafeBytes(weigh) > tokensMax * 1_000)
        }
        for cut in characters { #expect(run(text, cuts: [cut], tokensMax: tokensMax, weigh) == whole) }
        #expect(run(text, cuts: characters.dropLast(), tokensMax: tokensMax, weigh) == whole)
      }
    }
  }

  @Test func countsWholeTokens() {
    var limit = OutputLimit(tokensMax: 2)
    #expect(limit.tokens == 0)
    bytes("abcde").withUnsafeBytes { #expect(limit.admit($0) == (5, false)) }
    #expect(limit.tokens == 1)
    bytes("fgh").withUnsafeBytes { #expect(limit.admit($0) == (3, true)) }
    #expect(limit.tokens == 2)
  }
}

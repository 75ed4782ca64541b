import CodingFixtures
import Testing
import TideCore

@testable import TideCoding

/// Where the bytes are cut changes nothing, and what was flushed comes at once.
@Suite struct SplitTests {
  private static let text = Array(
    (0..<40).map { "data: {\"choices\":[{\"delta\":{\"content\":\"word \($0)\"}}]}\n\n" }.joined().utf8)

  @Test(arguments: Encoded.allCases) func everySplitGivesTheSame(_ form: Encoded) {
    let coded = form.encode(Self.text)
    for cut in 0...coded.count {
      let decoded = Decoding.of([coded[..<cut], coded[cut...]], form.coding)
      if decoded != Decoding(body: Self.text) { Issue.record("cut at \(cut): \(decoded)") }
    }
  }

  @Test(arguments: Encoded.allCases) func twoSplitsGiveTheSame(_ form: Encoded) {
    let coded = form.encode(Array(Self.text.prefix(300)))
    for first in stride(from: 0, through: coded.count, by: 2) {
      for second in stride(from: first, through: coded.count, by: 3) {
        let decoded = Decoding.of([coded[..<first], coded[first..<second], coded[second...]], form.coding)
        if decoded != Decoding(body: Array(Self.text.prefix(300))) {
          Issue.record("cut at \(first), \(second): \(decoded)")
        }
      }
    }
  }

  @Test(arguments: Encoded.allCases, [1, 2, 7, 64, 16 << 10]) func byteByByteIntoBlocksOfAnySize(
    _ form: Encoded, block: Int
  ) {
    let coded = form.encode([Self.text, Self.text, Array(Self.text.reversed())])
    let pieces = coded.joined().map { [$0][...] }
    #expect(
      Decoding.of(pieces, form.coding, block: block) == Decoding(body: Self.text + Self.text + Self.text.reversed()))
  }

  @Test(arguments: Encoded.allCases) func whatIsFlushedComesAtOnce(_ form: Encoded) {
    let events = (0..<200).map { Array("data: {\"content\":\"token \($0)\"}\n\n".utf8) }
    // Members and frames of one event each are flushed by their ends; what comes before the first event is no event.
    let coded = form.encode(events)
    let isBesideFrames = coded.count > events.count
    var decoder = ContentDecoder(form.coding, limits: DecodingLimits(byteCount: nil))
    if isBesideFrames {
      #expect(Decoding.feed(coded[0][...], to: &decoder) { _ in Issue.record("not an event") } == nil)
    }
    for (event, piece) in zip(events, coded.dropFirst(isBesideFrames ? 1 : 0)) {
      var decoded: [UInt8] = []
      #expect(Decoding.feed(piece[...], to: &decoder) { decoded += $0 } == nil)
      #expect(decoded == event)
    }
    #expect(decoder.failureAtEnd() == nil)
    #expect(decoder.producedByteCount == events.joined().count)
    #expect(decoder.consumedByteCount == coded.joined().count)
  }

  @Test(arguments: Encoded.allCases) func anEmptyBodyIsABody(_ form: Encoded) {
    #expect(Decoding.of(form.encode([UInt8]()), form.coding) == Decoding())
  }

  @Test func seededBodiesComeBack() {
    var random = SeededNumbers(seed: 0x636f_6469)
    for round in 0..<96 {
      let form = Encoded.allCases[round % Encoded.allCases.count]
      let parts = (0..<(1 + random.below(4))).map { _ in random.bytes(random.below(round < 72 ? 3_000 : 80_000)) }
      let coded = Array(form.encode(parts).joined())
      var pieces: [ArraySlice<UInt8>] = []
      var start = 0
      while start < coded.count {
        let end = min(coded.count, start + 1 + random.below(5_000))
        pieces.append(coded[start..<end])
        start = end
      }
      let decoded = Decoding.of(pieces, form.coding, block: 1 + random.below(20_000))
      if decoded != Decoding(body: Array(parts.joined())) {
        Issue.record("round \(round): \(form), \(decoded.failure as Any)")
      }
    }
  }
}

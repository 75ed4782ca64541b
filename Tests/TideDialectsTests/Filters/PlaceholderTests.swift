import TideCore
import Testing

@testable import TideDialects

@Suite struct PlaceholderTests {
  func masked(_ map: inout PlaceholderMap, _ kinds: [EntityKind], _ text: String) -> String {
    var out = ByteQueue()
    var copy = map
    let text = bytes(text)
    let count = text.withUnsafeBytes { text in
      EntityFinder.replace(kinds, in: text, into: &out) { kind, value, out in
        out.append(copy.placeholder(kind, for: value))
      }
    }
    map = copy
    return count == 0 ? String(decoding: text, as: UTF8.self) : String(decoding: out.readableBytes, as: UTF8.self)
  }

  @Test func valuesAreNumberedByFirstAppearanceAndTheSameValueIsTheSame() {
    var map = PlaceholderMap()
    #expect(
      masked(&map, [.email, .iban], "b@x.de, a@x.de, DE89370400440532013000, b@x.de!")
        == "<EMAIL_1>, <EMAIL_2>, <IBAN_1>, <EMAIL_1>!")
    #expect(masked(&map, [.email], "again a@x.de, c@x.de") == "again <EMAIL_2>, <EMAIL_3>")
    #expect(map.count == 4)
    #expect(bytes("<EMAIL_2>").withUnsafeBytes { map.original(of: $0) } == bytes("a@x.de"))
    #expect(bytes("<EMAIL_9>").withUnsafeBytes { map.original(of: $0) } == nil)
  }

  @Test func aPlaceholderThatThePromptHasIsNotGiven() {
    var map = PlaceholderMap()
    bytes("what does <EMAIL_1> mean, <EMAIL_3>?<EMAIL_03>").withUnsafeBytes { map.reserve($0) }
    #expect(masked(&map, [.email], "a@x.de b@x.de c@x.de") == "<EMAIL_2> <EMAIL_4> <EMAIL_5>")
    #expect(bytes("<EMAIL_1>").withUnsafeBytes { map.original(of: $0) } == nil)
  }

  @Test func anyChoiceOfKindsFindsWhatOneFilterWouldFind() throws {
    let pieces = [
      "a@b.example ", "4111 1111 1111 1111", " +49 30 901820", "192.168.0.1", "DE89370400440532013000", ",", "::1 ",
      "x", "é",
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.dBjf ", "AKIAIOSFODNN7EXAMPLE",
      "ghp_" + String(repeating: "x1", count: 18) + "yz", ".",
    ]
    var random = SeededNumbers(seed: 11)
    for kinds: [EntityKind] in [EntityKind.allCases, [.card, .phone], [.ip, .email, .phone], [.key]] {
      let filters = try FilterSet([FilterDeclaration(.mask(kinds: kinds, with: "[{kind}]"))])
      for _ in 0..<40 {
        let text = bytes((0..<8).map { _ in random.pick(pieces) }.joined())
        var out = ByteQueue()
        let count = text.withUnsafeBytes { text in
          EntityFinder.replace(kinds, in: text, into: &out) { kind, _, out in out.append("[\(kind.name)]") }
        }
        #expect(filtered(filters, text).output == (count == 0 ? text : Array(out.readableBytes)))
      }
    }
  }

  @Test func aFilterOutOfActionFindsNothing() throws {
    let filters = try FilterSet([.replace([("cat", "dog"), ("catch", "throw")]), .replace([("cat", "cow")])])
    for (disabled, expected) in [(0, "dog throw"), (1, "cow cowch"), (2, "dog throw"), (3, "cat catch")]
      as [(UInt64, String)]
    {
      var scanner = FilterScanner(filters)
      scanner.disabled = disabled
      var out = ByteQueue()
      _ = bytes("cat catch").withUnsafeBytes {
        scanner.feed($0, now: MonotonicTime(nanoseconds: 1), into: &out) { _, _ in .standard }
      }
      _ = scanner.finish(into: &out) { _, _ in .standard }
      #expect(String(decoding: out.readableBytes, as: UTF8.self) == expected)
    }
  }
}

import Testing

@testable import TideGateway

@Suite struct SmallPartsTests {
  @Test func identifiersAreUniqueAndWellFormed() {
    var one = ExchangeIdentifiers()
    var other = ExchangeIdentifiers()
    var seen = Set<String>()
    for _ in 0..<2_000 {
      for identifier in [one.next(), other.next()] {
        #expect(identifier.utf8.count == 28)
        #expect(identifier.hasPrefix("req_"))
        #expect(identifier.dropFirst(4).allSatisfy { $0.isHexDigit && !$0.isUppercase })
        #expect(seen.insert(identifier).inserted)
      }
    }
  }

  @Test func jsonIsEscapedAndNested() {
    let json = JSONWriter()
    json.object {
      json.member("a\"b", "x\n\u{1}\\é")
      json.array("list") {
        json.element("1")
        json.object { json.member("n", -3) }
        json.array {}
      }
      json.object("empty") {}
      json.member("yes", true)
      json.null("nothing")
    }
    #expect(
      json.text
        == #"{"a\"b":"x\n\u0001\\é","list":["1",{"n":-3},[]],"empty":{},"yes":true,"nothing":null}"#)
  }
}

import Testing

@testable import TideCore

@Suite struct HeaderListTests {
  @Test func namesAreLowerCaseAndRepeatsAreJoined() {
    var list = HeaderList()
    list.append("X-Tag", "a")
    list.append("Other", "z")
    list.append("x-tag", "b")
    #expect(list["x-tag"] == "a")
    #expect(list.joined("x-tag") == "a, b")
    #expect(list.joined("missing") == nil)
    #expect(list.listSize == 5 + 1 + 5 + 1 + 5 + 1 + 3 * 32)
  }

  @Test func setReplacesEveryField() {
    var list = HeaderList([("a", "1"), ("b", "2"), ("a", "3")])
    list.set("a", "9")
    #expect(list.count == 2)
    #expect(list.joined("a") == "9")
    #expect(list == HeaderList([("b", "2"), ("a", "9")]))
  }
}

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

  @Test func aCopyIsNotChangedWithItsOriginal() {
    let original = HeaderList([("a", "1"), ("b", ""), ("c", "3")])
    var grown = original
    grown.append("d", "4")
    var shrunk = original
    shrunk.remove("a")
    #expect((0..<original.count).map { original.name(at: $0) + original.value(at: $0) } == ["a1", "b", "c3"])
    #expect(grown == HeaderList([("a", "1"), ("b", ""), ("c", "3"), ("d", "4")]))
    #expect(shrunk == HeaderList([("b", ""), ("c", "3")]))
    #expect(shrunk.listSize == 1 + 2 + 2 * 32)
  }

  @Test func growsPastEveryCapacity() {
    var list = HeaderList()
    for number in 0..<300 { list.append("name-\(number)", String(repeating: "v", count: number)) }
    #expect(list.count == 300)
    for number in [0, 1, 150, 299] {
      #expect(list["name-\(number)"]?.count == number)
      #expect(list.index(of: "name-\(number)") == number)
      #expect(list.value(at: number).count == number)
    }
    #expect(list.index(of: "name-5", from: 6) == nil)
    for number in 0..<299 { list.remove("name-\(number)") }
    #expect(list.count == 1 && list.name(at: 0) == "name-299")
    list.remove("name-299")
    #expect(list.isEmpty && list == HeaderList() && list["name-299"] == nil)
    list.set("x", "y")
    #expect(list["x"] == "y")
  }

  @Test func longFieldsKeepTheirLengths() {
    var list = HeaderList()
    let name = String(repeating: "n", count: 65_535)
    let value = String(repeating: "v", count: 70_000)
    list.append(name, value)
    list.append("z", "")
    #expect(list.name(at: 0) == name && list.value(at: 0) == value && list["z"] == "")
  }
}

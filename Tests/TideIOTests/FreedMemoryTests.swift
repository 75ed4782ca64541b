import Testing

@testable import TideIO

@Suite struct FreedMemoryTests {
  @Test func halfOfManyConnectionsIsMuch() {
    var memory = FreedMemory()
    for count in 1...1000 { memory.opened(count) }
    let answers = [1000, 501, 500, 499, 245, 244, 0].map { memory.isMuch($0) }
    #expect(answers == [false, false, true, false, false, true, false])
  }

  @Test func fewConnectionsAreNot() {
    var memory = FreedMemory()
    for count in 1...255 { memory.opened(count) }
    let before = memory.isMuch(0)
    memory.opened(256)
    let after = [0, 0].map { memory.isMuch($0) }
    #expect(!before && after == [true, false])
  }
}

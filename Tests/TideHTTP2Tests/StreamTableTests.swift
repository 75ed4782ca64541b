import Testing
import TideCore

@testable import TideHTTP2

/// Streams found by their identifiers.
@Suite struct StreamTableTests {
  private let carrier = StreamCarrier()

  private func stream(_ id: Int32) -> HTTPStream { HTTPStream(id: id, carrier: carrier) }

  @Test("Finds what is in it and nothing else")
  func finds() {
    let table = StreamTable()
    #expect(table[1] == nil)
    let streams = (0..<500).map { stream(Int32(2 * $0 + 1)) }
    for stream in streams { table.insert(stream) }
    for stream in streams { #expect(table[stream.id]?.takeUnretainedValue() === stream) }
    for stream in streams where stream.id % 4 == 1 { table.remove(stream) }
    for stream in streams { #expect((table[stream.id] == nil) == (stream.id % 4 == 1)) }
    #expect(table[1_001] == nil)
    table.removeAll()
    #expect(table[3] == nil)
  }

  @Test("Of two with the same place the younger is found, and the older takes nothing away when it goes")
  func collides() {
    let table = StreamTable()
    let old = stream(1)
    table.insert(old)
    let young = stream(Int32(1 + 2 * table.size))
    table.insert(young)
    #expect(table[old.id] == nil && table[young.id] != nil)
    table.remove(old)
    #expect(table[young.id] != nil)
  }

  @Test("Is no larger than what runs at a time asks for, however many streams there have been")
  func staysSmall() {
    let table = StreamTable()
    var running: [HTTPStream] = []
    for number in 0..<20_000 {
      let next = stream(Int32(2 * number + 1))
      table.insert(next)
      running.append(next)
      // Some run for long, so that later ones come to stand in their places.
      if running.count > 100 { table.remove(running.remove(at: number % 50)) }
    }
    #expect(table.size <= 512)
  }
}

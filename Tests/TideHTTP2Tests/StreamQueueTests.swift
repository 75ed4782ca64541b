import Testing
import TideCore

@testable import TideHTTP2

/// Streams that wait for their turn.
@Suite struct StreamQueueTests {
  @Test("Gives streams in their order, less those that were taken out")
  func order() {
    let carrier = StreamCarrier()
    let streams = (0..<300).map { HTTPStream(id: Int32($0), carrier: carrier) }
    var queue = StreamQueue()
    var expected: [Int32] = []
    var given: [Int32] = []
    var numbers = SeededNumbers(seed: 3)
    for stream in streams {
      queue.append(stream)
      expected.append(stream.id)
      if numbers.chance(40), let next = queue.popFirst() {
        given.append(next.takeUnretainedValue().id)
        #expect(expected.removeFirst() == given.last)
      }
      if numbers.chance(20), let gone = expected.randomElement(using: &numbers) {
        queue.remove(streams[Int(gone)])
        expected.removeAll { $0 == gone }
      }
      for ahead in [0, 1, expected.count] {
        #expect(queue.peek(ahead)?.takeUnretainedValue().id == (ahead < expected.count ? expected[ahead] : nil))
      }
    }
    // One that is not in it changes nothing.
    if let gone = given.first { queue.remove(streams[Int(gone)]) }
    while let next = queue.popFirst() { #expect(expected.removeFirst() == next.takeUnretainedValue().id) }
    #expect(expected.isEmpty && queue.isEmpty)
  }
}

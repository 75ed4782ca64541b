import Testing

@testable import TideCore

@Suite struct ByteQueueTests {
  @Test func bytesLeaveInTheOrderTheyCame() {
    var queue = ByteQueue()
    var expected: [UInt8] = []
    var taken: [UInt8] = []
    var next: UInt8 = 0
    for round in 0..<2_000 {
      let piece = (0..<(round * 7 % 97)).map { _ in
        defer { next &+= 1 }
        return next
      }
      queue.append(piece)
      expected += piece
      let count = min(queue.byteCount, round * 5 % 89)
      taken += queue.readableBytes.prefix(count)
      queue.consume(count)
    }
    taken += queue.readableBytes
    #expect(taken == expected)
  }

  @Test func moveTakesWhatFits() {
    var queue = ByteQueue()
    queue.append("hello world")
    var buffer = [UInt8](repeating: 0, count: 5)
    let count = buffer.withUnsafeMutableBytes { queue.move(into: $0) }
    #expect(count == 5)
    #expect(String(decoding: buffer, as: UTF8.self) == "hello")
    #expect(queue.byteCount == 6)
  }
}

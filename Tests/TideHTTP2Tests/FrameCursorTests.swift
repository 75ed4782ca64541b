import Testing
import TideCore

@testable import TideHTTP2

/// Frame headers seen ahead of the session.
@Suite struct FrameCursorTests {
  private static func frames(_ numbers: inout SeededNumbers, count: Int) -> [Frame] {
    (0..<count).map { _ in
      let stream = 2 * numbers.below(1 << 20) + 1
      let payload = [UInt8](repeating: UInt8(numbers.below(256)), count: numbers.pick([0, 0, 1, 8, 9, 10, 100, 300]))
      return numbers.chance(70)
        ? Frame.data(stream, payload, end: numbers.chance(10))
        : Frame(type: UInt8(1 + numbers.below(9)), flags: UInt8(numbers.below(256)), stream: stream, payload: payload)
    }
  }

  /// What the cursor finds in `bytes` that come in pieces.
  private static func found(_ bytes: [UInt8], pieces: [Int]) -> [Int] {
    var cursor = FrameCursor()
    var found: [Int] = []
    var start = 0
    for piece in pieces {
      bytes.withUnsafeBytes { all in
        let part = UnsafeRawBufferPointer(rebasing: all[start..<start + piece])
        var offset = 0
        while let id = cursor.next(in: part, from: &offset) { found.append(Int(id)) }
        #expect(offset == piece)
      }
      start += piece
    }
    return found
  }

  private static func expected(_ frames: [Frame]) -> [Int] {
    frames.filter { $0.type == 0 && !$0.payload.isEmpty }.map(\.stream)
  }

  @Test("Wherever the bytes are cut, the same frames are found")
  func everySplit() {
    var numbers = SeededNumbers(seed: 11)
    let frames = Self.frames(&numbers, count: 12)
    let bytes = frames.flatMap(\.bytes)
    for split in 0...bytes.count {
      #expect(Self.found(bytes, pieces: [split, bytes.count - split]) == Self.expected(frames), "cut at \(split)")
    }
  }

  @Test("In pieces of any size", arguments: 1...24)
  func pieces(size: Int) {
    var numbers = SeededNumbers(seed: UInt64(size))
    let frames = Self.frames(&numbers, count: 40)
    let bytes = frames.flatMap(\.bytes)
    var pieces = [Int](repeating: size, count: bytes.count / size)
    pieces.append(bytes.count % size)
    #expect(Self.found(bytes, pieces: pieces) == Self.expected(frames))
  }

  @Test("The reserved bit is no part of an identifier, and the longest frame is passed")
  func extremes() {
    var first = Frame.data(0x7fff_ffff, [1]).bytes
    first[5] |= 0x80
    let long = Frame.data(5, [UInt8](repeating: 0, count: 0xff_ffff))
    let bytes = first + long.bytes + Frame.data(7, [1]).bytes
    #expect(Self.found(bytes, pieces: [bytes.count]) == [0x7fff_ffff, 5, 7])
  }

  @Test("Bytes that are no frames lead nowhere outside of them")
  func nonsense() {
    var numbers = SeededNumbers(seed: 5)
    for _ in 0..<200 {
      let bytes = (0..<numbers.below(400)).map { _ in UInt8(numbers.below(256)) }
      let cut = numbers.below(bytes.count + 1)
      _ = Self.found(bytes, pieces: [cut, bytes.count - cut])
    }
  }
}

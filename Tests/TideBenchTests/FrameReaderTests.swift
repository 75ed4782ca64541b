import Testing

@testable import TideBench

@Suite struct FrameReaderTests {
  /// A frame as it lies on the wire.
  static func frame(_ kind: UInt8, flags: UInt8 = 0, stream: UInt32 = 1, _ payload: [UInt8] = []) -> [UInt8] {
    let length = payload.count
    return [UInt8(length >> 16 & 255), UInt8(length >> 8 & 255), UInt8(length & 255), kind, flags]
      + (0..<4).map { UInt8(truncatingIfNeeded: stream >> (24 - 8 * UInt32($0))) } + payload
  }

  /// What a reader tells, with the pieces of one DATA frame joined.
  private func read(_ bytes: [UInt8], cutAt cuts: [Int]) -> [String] {
    var reader = FrameReader()
    var told: [String] = []
    var data: [UInt8] = []
    var start = 0
    for end in cuts + [bytes.count] {
      Array(bytes[start..<end]).withUnsafeBytes { input in
        var offset = 0
        reading: while true {
          switch reader.next(input, from: &offset) {
          case .needsMore: break reading
          case .data(let stream, let payload, let isEnd):
            data += payload
            if isEnd {
              told.append("data \(stream) \(data)")
              data = []
            }
          case .frame(let header, let payload): told.append("frame \(header.kind) \(header.stream) \(Array(payload))")
          case .tooLarge(let header):
            told.append("too large \(header.length)")
            break reading
          }
        }
        #expect(told.last?.hasPrefix("too large") == true || offset == input.count)
      }
      start = end
    }
    return told
  }

  @Test func framesAreWholeAtEveryCut() {
    let bytes =
      Self.frame(4, stream: 0) + Self.frame(1, flags: 4, [0x88]) + Self.frame(0, [1, 2, 3])
      + Self.frame(0, flags: 8, [1, 7, 0]) + Self.frame(0, flags: 1, [4])
      + Self.frame(6, stream: 0, [1, 2, 3, 4, 5, 6, 7, 8])
    let whole = read(bytes, cutAt: [])
    #expect(
      whole == [
        "frame 4 0 []", "frame 1 1 [136]", "frame 0 1 [1, 7, 0]", "data 1 [1, 2, 3, 4]",
        "frame 6 0 [1, 2, 3, 4, 5, 6, 7, 8]",
      ])
    for first in 0...bytes.count {
      for second in first...bytes.count { #expect(read(bytes, cutAt: [first, second]) == whole, "\(first) \(second)") }
    }
  }

  @Test func anEmptyDataFrameEndsItsStream() {
    let bytes = Self.frame(0, flags: 1)
    for cut in 0...bytes.count { #expect(read(bytes, cutAt: [cut]) == ["data 1 []"]) }
  }

  @Test func oversizedFramesAreRefusedBeforeTheyAreRead() {
    let head: [UInt8] = [0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 1]
    for cut in 0...head.count { #expect(read(head, cutAt: [cut]) == ["too large 16777215"]) }
  }
}

import Testing
import TideCore

@testable import TideHTTP2

/// What of a connection's bytes is nghttp2's, and what is not.
@Suite struct FrameIntakeTests {
  /// What came out of an intake: nghttp2's bytes, and the frames that are not among them, each behind as many of those bytes as came before it.
  private struct Taken: Equatable {
    var native: [UInt8] = []
    var frames: [String] = []
  }

  private static func take(
    _ bytes: [UInt8], pieces: [Int], role: HTTP2Role = .client, readsData: Bool = true
  ) -> Taken {
    var intake = FrameIntake(role: role, readsData: readsData)
    var taken = Taken()
    var start = 0
    for piece in pieces {
      bytes[start..<start + piece].withUnsafeBytes { part in
        var offset = 0
        var end = 0
        while let next = intake.next(in: part, from: &offset) {
          switch next {
          case .native(let range):
            #expect(range.lowerBound >= end && !range.isEmpty)
            end = range.upperBound
            taken.native += part[range]
          case .nativeHeld: intake.withHeld { taken.native += $0 }
          case .data(let streamID, let frame):
            #expect(frame.lowerBound >= end)
            end = frame.upperBound
            taken.frames.append(
              "\(taken.native.count) data \(streamID) \(Array(part[frame][(frame.lowerBound + 9)...]))")
          case .windowUpdate(let streamID, let increment, let frame):
            #expect(frame.count == 13)
            end = frame.upperBound
            taken.frames.append("\(taken.native.count) window \(streamID) \(increment)")
          case .windowUpdateHeld(let streamID, let increment):
            // Whole, so that it can be given to nghttp2 after all.
            intake.withHeld { #expect($0.count == 13 && Array($0[..<4]) == [0, 0, 4, 8]) }
            taken.frames.append("\(taken.native.count) window \(streamID) \(increment)")
          }
        }
        #expect(offset == part.count)
      }
      start += piece
    }
    return taken
  }

  private static let greeting = Frame.settings().bytes

  /// The same by the plain reading of the rules, on whole frames.
  private static func expected(_ frames: [Frame], readsData: Bool = true) -> Taken {
    var taken = Taken(native: greeting)
    var isInBlock = false
    for frame in frames {
      switch frame.type {
      case 0
      where readsData && !isInBlock && frame.flags == 0 && !frame.payload.isEmpty && frame.payload.count <= 16_384:
        taken.frames.append("\(taken.native.count) data \(frame.stream) \(frame.payload)")
        continue
      case 8 where frame.payload.count == 4 && !isInBlock:
        let increment = frame.payload.reduce(0) { $0 << 8 | UInt32($1) } & 0x7fff_ffff
        taken.frames.append("\(taken.native.count) window \(frame.stream) \(increment)")
        continue
      case 1, 5, 9: isInBlock = frame.flags & 4 == 0
      default: break
      }
      taken.native += frame.bytes
    }
    return taken
  }

  private static func frames(_ numbers: inout SeededNumbers, count: Int) -> [Frame] {
    (0..<count).map { _ in
      let stream = numbers.below(1 << 20)
      let payload = [UInt8](repeating: UInt8(numbers.below(256)), count: numbers.pick([0, 1, 4, 4, 9, 13, 60]))
      switch numbers.below(10) {
      case 0..<4: return Frame.data(stream, payload, end: numbers.chance(10))
      case 4..<7: return Frame.windowUpdate(stream, UInt32(numbers.below(1 << 30)))
      default:
        return Frame(type: UInt8(numbers.below(11)), flags: UInt8(numbers.below(256)), stream: stream, payload: payload)
      }
    }
  }

  @Test(
    "All bytes come out once and in order, whole or in pieces of any size",
    arguments: [1, 2, 5, 8, 9, 10, 12, 13, 14, 31, 997])
  func pieces(size: Int) {
    var numbers = SeededNumbers(seed: UInt64(size))
    for _ in 0..<40 {
      let frames = Self.frames(&numbers, count: 20)
      let bytes = Self.greeting + frames.flatMap(\.bytes)
      #expect(Self.take(bytes, pieces: [bytes.count]) == Self.expected(frames))
      var pieces = [Int](repeating: size, count: bytes.count / size)
      pieces.append(bytes.count % size)
      let cut = Self.take(bytes, pieces: pieces)
      // DATA that is cut is nghttp2's; windows never are.
      let windows = { (taken: Taken) in
        taken.frames.filter { $0.contains("window") }.map { $0.drop { $0 != " " } }
      }
      #expect(windows(cut) == windows(Self.expected(frames)))
      let nativeSize = { (taken: Taken) in
        taken.native.count
          + taken.frames.map { frame in
            frame.contains("window") ? 13 : 9 + frame.filter { $0 == "," }.count + 1
          }.reduce(0, +)
      }
      #expect(nativeSize(cut) == bytes.count)
    }
  }

  @Test("Cut once, wherever that is")
  func everySplit() {
    let frames: [Frame] = [
      .windowUpdate(0, 7), .data(1, [1, 2, 3]), .ping(), .windowUpdate(3, 0x7fff_ffff), .data(5, [4], end: true),
      .headers(7, [1, 2], endHeaders: false), .windowUpdate(0, 8), .continuation(7, [3], endHeaders: true),
      .windowUpdate(0, 9), .data(9, [5, 6]),
    ]
    let bytes = Self.greeting + frames.flatMap(\.bytes)
    let whole = Self.expected(frames)
    #expect(Self.take(bytes, pieces: [bytes.count]) == whole)
    #expect(whole.frames.count == 5)
    for cut in 0...bytes.count {
      let taken = Self.take(bytes, pieces: [cut, bytes.count - cut])
      // At most the one DATA frame that is cut goes elsewhere.
      #expect(taken.frames.count >= 4 && taken.frames.filter { $0.contains("window") }.count == 3, "cut at \(cut)")
    }
  }

  @Test("What comes before SETTINGS, and the preface, is nghttp2's to judge")
  func begin() {
    let odd = Frame.windowUpdate(0, 1).bytes + Frame.data(1, [1]).bytes
    #expect(Self.take(odd, pieces: [odd.count]) == Taken(native: odd))
    // A preface that holds what looks like a frame.
    let preface = Frame.windowUpdate(0, 1).bytes + [UInt8](repeating: 8, count: 11)
    let rest = Self.greeting + Frame.windowUpdate(0, 5).bytes + Frame.data(1, [1]).bytes
    for cut in 0...preface.count {
      let bytes = preface + rest
      let taken = Self.take(bytes, pieces: [cut, bytes.count - cut], role: .server, readsData: false)
      #expect(taken.native == preface + Self.greeting + Frame.data(1, [1]).bytes)
      #expect(taken.frames == ["\(preface.count + Self.greeting.count) window 0 5"])
    }
  }

  @Test("Frames of other lengths than theirs, and DATA that is too long, are nghttp2's")
  func lengths() {
    let frames = [
      Frame(type: 8, stream: 1, payload: [0, 0, 1]), Frame(type: 8, stream: 1, payload: [0, 0, 0, 1, 2]),
      Frame.data(1, [UInt8](repeating: 0, count: 16_385)), Frame.data(1),
      Frame(type: 0, flags: 8, stream: 1, payload: [0, 1]),
    ]
    let bytes = Self.greeting + frames.flatMap(\.bytes)
    #expect(Self.take(bytes, pieces: [bytes.count]) == Taken(native: bytes))
  }

  @Test("The reserved bits are no part of identifiers and increments")
  func reservedBits() {
    var window = Frame.windowUpdate(3, 0x8000_0005).bytes
    window[5] |= 0x80
    var data = Frame.data(3, [1]).bytes
    data[5] |= 0x80
    let bytes = Self.greeting + window + data
    #expect(Self.take(bytes, pieces: [bytes.count]).frames == ["9 window 3 5", "9 data 3 [1]"])
  }
}

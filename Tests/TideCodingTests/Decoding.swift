import Testing
import TideCore

@testable import TideCoding

/// What a decoder made of a body.
struct Decoding: Equatable {
  var body: [UInt8] = []
  var failure: DecodingFailure?

  /// Whether `other` is the same verdict on the same bytes, cut elsewhere.
  ///
  /// How much of a broken body comes out before its fault is told depends on the cuts, and so does which of two faults is met first
  /// when one of them is the limit.
  func agrees(with other: Decoding) -> Bool {
    if failure == nil || other.failure == nil { return self == other }
    let (short, long) = body.count < other.body.count ? (body, other.body) : (other.body, body)
    return long.starts(with: short) && (failure == other.failure || failure == .tooLarge || other.failure == .tooLarge)
  }

  /// Decodes pieces of a body, and its end.
  static func of(
    _ pieces: some Sequence<ArraySlice<UInt8>>, _ coding: ContentCoding, byteCount: Int? = nil, block: Int = 64
  ) -> Decoding {
    var decoder = ContentDecoder(coding, limits: DecodingLimits(byteCount: byteCount))
    var result = Decoding()
    for piece in pieces {
      result.failure = feed(piece, to: &decoder, block: block) { result.body += $0 }
      if result.failure != nil { return result }
    }
    result.failure = decoder.failureAtEnd()
    return result
  }

  static func of(_ bytes: [UInt8], _ coding: ContentCoding, byteCount: Int? = nil, block: Int = 16 << 10) -> Decoding {
    of(CollectionOfOne(bytes[...]), coding, byteCount: byteCount, block: block)
  }

  /// Feeds one piece until the decoder asks for more.
  static func feed(
    _ piece: ArraySlice<UInt8>, to decoder: inout ContentDecoder, block: Int = 16 << 10,
    _ take: (UnsafeRawBufferPointer) -> Void
  ) -> DecodingFailure? {
    // Of exactly this size, so that a byte beyond it would be found out by the allocator's guards.
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: block, alignment: 1)
    defer { room.deallocate() }
    return piece.withUnsafeBytes { bytes in
      var rest = bytes
      while true {
        switch decoder.decode(&rest, into: room) {
        case .block(let count):
          #expect(count > 0 && count <= block)
          take(UnsafeRawBufferPointer(rebasing: room[..<count]))
        case .needsInput:
          #expect(rest.isEmpty)
          return nil
        case .failed(let failure): return failure
        }
      }
    }
  }
}

extension SeededNumbers {
  /// Bytes between noise and one letter.
  mutating func bytes(_ count: Int) -> [UInt8] {
    let kind = below(4)
    var last: UInt8 = 0
    return (0..<count).map { _ in
      switch kind {
      case 0: last = UInt8(below(256))
      case 1: last = UInt8(97 + below(3))
      case 2: if below(40) == 0 { last = UInt8(below(256)) }
      default: last = 120
      }
      return last
    }
  }
}

/// Reads one body, whatever its framing. Pure; the same for requests and responses.
struct HTTP1BodyReader {
  typealias Step = HTTP1ChunkedDecoder.Step

  private enum Kind {
    case none
    case fixed(Int)
    case chunked
    case untilClose
  }

  private var kind: Kind
  private var decoder = HTTP1ChunkedDecoder()

  init(_ framing: HTTP1Framing) {
    kind =
      switch framing {
      case .none: .none
      case .fixed(let count): .fixed(count)
      case .chunked: .chunked
      case .untilClose: .untilClose
      }
  }

  /// Whether the end of the connection is the proper end of the body.
  var endsWithConnection: Bool { if case .untilClose = kind { true } else { false } }

  /// Bytes still to come, when that is known.
  var remaining: Int? {
    switch kind {
    case .none: 0
    case .fixed(let count): count
    case .chunked, .untilClose: nil
    }
  }

  /// Reads `input` from `offset` on. After the last data of a body of known length comes `.end`, without further input.
  mutating func next(_ input: UnsafeRawBufferPointer, from offset: inout Int) -> Step {
    switch kind {
    case .none: return .end
    case .chunked: return decoder.next(input, from: &offset)
    case .fixed(let remaining):
      if remaining == 0 { return .end }
      let count = min(remaining, input.count &- offset)
      guard count > 0 else { return .needsMore }
      kind = .fixed(remaining &- count)
      defer { offset &+= count }
      return .data(start: offset, count: count)
    case .untilClose:
      let count = input.count &- offset
      guard count > 0 else { return .needsMore }
      defer { offset &+= count }
      return .data(start: offset, count: count)
    }
  }
}

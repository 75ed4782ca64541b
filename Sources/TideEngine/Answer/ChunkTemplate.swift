import TideCore

/// The bytes that every chunk of a stream has in common, for one endpoint and one model.
///
/// Shared by all streams of a worker with the same model, so that the template stays in the cache and a token costs a few
/// copies: what differs per stream (identifier, second of creation) or per token is written between its parts.
final class ChunkTemplate {
  enum Endpoint: UInt8 { case chat, completion }
  enum Lane: UInt8 { case content, reasoning, toolArguments }

  /// More than the parts of a chunk other than its token come to, model name left out.
  private static let fixedBytes = 512

  let endpoint: Endpoint
  /// As it stands between the quotes of the request's JSON.
  let model: [UInt8]
  private let start: [UInt8]
  private let afterID: [UInt8]
  private let afterCreated: [UInt8]

  init(endpoint: Endpoint, model: [UInt8]) {
    self.endpoint = endpoint
    self.model = model
    start = Array((endpoint == .chat ? #"data: {"id":"chatcmpl-"# : #"data: {"id":"cmpl-"#).utf8)
    afterID = Array(
      (endpoint == .chat
        ? #"","object":"chat.completion.chunk","created":"# : #"","object":"text_completion","created":"#).utf8)
    afterCreated = Array(#","model":""#.utf8) + model + Array(#"","choices":["#.utf8)
  }

  /// Room for a chunk whose token has `tokenBytes`.
  @inline(__always)
  func room(tokenBytes: Int) -> Int { Self.fixedBytes &+ model.count &+ tokenBytes }

  /// Everything up to the first choice. `key` is the stream's.
  @inline(__always)
  func open(_ writer: inout ByteWriter, _ key: ChunkKey) {
    writer.write(start)
    key.writeID(&writer)
    writer.write(afterID)
    key.writeCreated(&writer)
    writer.write(afterCreated)
  }

  /// From behind the last choice to the end of the event.
  @inline(__always)
  func close(_ writer: inout ByteWriter, due: UInt64, hasUsage: Bool) {
    writer.write("]")
    if due != 0 {
      writer.write(",\"due\":")
      writer.write(decimal: due)
    }
    if hasUsage { writer.write(",\"usage\":null") }
    writer.write("}\n\n")
  }

  /// The chunk of one token of choice `index`.
  @inline(__always)
  func token(
    _ writer: inout ByteWriter, _ key: ChunkKey, index: Int, lane: Lane, text: [UInt8], _ range: Range<Int>,
    due: UInt64,
    hasUsage: Bool
  ) {
    open(&writer, key)
    writer.write("{\"index\":")
    writer.write(decimal: UInt64(index))
    if endpoint == .completion {
      writer.write(",\"text\":\"")
      writer.write(text, range)
      writer.write("\",\"logprobs\":null,\"finish_reason\":null}")
    } else {
      switch lane {
      case .content: writer.write(",\"delta\":{\"content\":\"")
      case .reasoning: writer.write(",\"delta\":{\"reasoning_content\":\"")
      case .toolArguments: writer.write(",\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"")
      }
      writer.write(text, range)
      writer.write(lane == .toolArguments ? "\"}}]},\"finish_reason\":null}" : "\"},\"finish_reason\":null}")
    }
    close(&writer, due: due, hasUsage: hasUsage)
  }
}

/// What tells the chunks of one stream from another's, as text already.
struct ChunkKey {
  private let idHigh: UInt64
  private let idLow: UInt64
  private let createdHigh: UInt64
  private let createdLow: UInt16

  /// - Parameter created: seconds since 1970, of which ten digits are kept.
  init(id: UInt64, created: UInt64) {
    var text: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    withUnsafeMutableBytes(of: &text) { room in
      var writer = ByteWriter(UnsafeMutableRawBufferPointer(rebasing: room[0..<16]))
      writer.write(hex: id)
      var digits = created % 10_000_000_000
      for position in (16..<26).reversed() {
        room[position] = UInt8(truncatingIfNeeded: digits % 10) &+ UInt8(ascii: "0")
        digits /= 10
      }
    }
    idHigh = text.0
    idLow = text.1
    createdHigh = text.2
    createdLow = UInt16(truncatingIfNeeded: text.3)
  }

  @inline(__always)
  func writeID(_ writer: inout ByteWriter) {
    withUnsafeBytes(of: (idHigh, idLow)) { writer.write($0) }
  }

  @inline(__always)
  func writeCreated(_ writer: inout ByteWriter) {
    withUnsafeBytes(of: createdHigh) { writer.write($0) }
    withUnsafeBytes(of: createdLow) { writer.write($0) }
  }
}

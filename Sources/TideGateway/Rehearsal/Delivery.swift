import TideCore
import TideDialects

/// How one answer travels: everything that must make no difference to what a policy says about it.
struct Delivery: Hashable {
  enum LineEnding: String { case lf = "LF", crlf = "CR LF", cr = "CR" }

  /// Where the upstream's bytes are cut into reads.
  enum Reads: Hashable {
    case whole
    /// Each event of a stream comes by itself.
    case events
    case each(Int)
    case at(Int)
    case random(seed: UInt64)
  }

  /// Where the upstream cuts the answer's text into deltas.
  enum Deltas: Hashable {
    case asWritten
    case whole
    case each(Int)
    case at(Int)
    case random(seed: UInt64)
  }

  var dialect = Dialect.openAI
  var isStreamed = true
  var lineEnding = LineEnding.lf
  var reads = Reads.whole
  var deltas = Deltas.asWritten
  /// The request's `n`.
  var choices = 1
  /// Deltas of tool calls come between those of the text.
  var interleavesTools = false
  /// The upstream's connection breaks after so many events.
  var breaksAfter: Int?
  /// The client goes after so many events.
  var leavesAfter: Int?
}

extension Delivery: CustomStringConvertible {
  /// What a failure says about it: everything that is not the usual.
  var description: String {
    var parts = [dialect.name, isStreamed ? "streamed" : "not streamed"]
    switch deltas {
    case .asWritten: break
    case .whole: parts.append("text in one delta")
    case .each(let count): parts.append(count == 1 ? "a delta for each byte" : "deltas of \(count) bytes")
    case .at(let offset): parts.append("text cut at byte \(offset)")
    case .random(let seed): parts.append("text cut at random (seed \(seed))")
    }
    switch reads {
    case .whole: break
    case .events: parts.append("each event in a read of its own")
    case .each(let count): parts.append(count == 1 ? "reads of one byte" : "reads of \(count) bytes")
    case .at(let offset): parts.append("answer read in two, cut at byte \(offset)")
    case .random(let seed): parts.append("reads cut at random (seed \(seed))")
    }
    if lineEnding != .lf { parts.append("lines end with \(lineEnding.rawValue)") }
    if choices > 1 { parts.append("n = \(choices)") }
    if interleavesTools { parts.append("tool deltas between text deltas") }
    if let breaksAfter { parts.append("upstream breaks after event \(breaksAfter)") }
    if let leavesAfter { parts.append("client leaves after event \(leavesAfter)") }
    return parts.joined(separator: ", ")
  }
}

/// Cuts bytes into pieces; none is empty.
enum Cutting {
  static func cut(_ bytes: [UInt8], _ reads: Delivery.Reads) -> [[UInt8]] {
    switch reads {
    case .whole, .events: bytes.isEmpty ? [] : [bytes]
    case .each(let size): pieces(bytes) { _ in size }
    case .at(let offset): parts(bytes, at: offset)
    case .random(let seed): random(bytes, seed)
    }
  }

  static func cut(_ text: [UInt8], _ deltas: Delivery.Deltas) -> [[UInt8]]? {
    switch deltas {
    case .asWritten: nil
    case .whole: text.isEmpty ? [] : [text]
    case .each(let size): pieces(text) { _ in size }
    case .at(let offset): parts(text, at: offset)
    case .random(let seed): random(text, seed)
    }
  }

  private static func random(_ bytes: [UInt8], _ seed: UInt64) -> [[UInt8]] {
    var numbers = SeededNumbers(seed: seed)
    return pieces(bytes) { _ in Int.random(in: 1...9, using: &numbers) }
  }

  private static func parts(_ bytes: [UInt8], at offset: Int) -> [[UInt8]] {
    [Array(bytes.prefix(offset)), Array(bytes.dropFirst(offset))].filter { !$0.isEmpty }
  }

  private static func pieces(_ bytes: [UInt8], _ size: (Int) -> Int) -> [[UInt8]] {
    var result: [[UInt8]] = []
    var start = 0
    while start < bytes.count {
      let end = min(bytes.count, start + max(1, size(start)))
      result.append(Array(bytes[start..<end]))
      start = end
    }
    return result
  }
}

import TideCore

@testable import TideDialects

/// What came out of a scanner that was fed a text in pieces.
struct Filtered: Equatable {
  var output: [UInt8] = []
  var step = FilterStep.proceed
  /// Bytes held after each piece.
  var held: [Int] = []
  /// `kind:text` of what was put before the caller.
  var asked: [String] = []
}

/// Feeds `text` cut at `cuts`, ascending, and ends the lane.
func filtered(
  _ filters: FilterSet, _ text: [UInt8], cuts: [Int] = [],
  onMatch: (FilterMatch, inout ByteQueue) -> FilterDecision = { _, _ in .standard }
) -> Filtered {
  var scanner = FilterScanner(filters)
  var out = ByteQueue()
  var result = Filtered()
  func ask(_ match: FilterMatch, _ out: inout ByteQueue) -> FilterDecision {
    result.asked.append("\(match.kind):" + String(decoding: match.text, as: UTF8.self))
    return onMatch(match, &out)
  }
  var last = 0
  for (index, cut) in (cuts + [text.count]).enumerated() {
    result.step = text[last..<cut].withUnsafeBytes {
      scanner.feed($0, now: MonotonicTime(nanoseconds: UInt64(index)), into: &out, onMatch: ask)
    }
    result.held.append(scanner.heldByteCount)
    last = cut
    if result.step != .proceed { break }
  }
  if result.step == .proceed { result.step = scanner.finish(into: &out, onMatch: ask) }
  result.output = [UInt8](out.readableBytes)
  return result
}

extension FilterDeclaration {
  static func mask(_ kinds: EntityKind..., with template: String = "[{kind}]") -> FilterDeclaration {
    FilterDeclaration(.mask(kinds: kinds, with: template))
  }

  static func replace(_ words: [(String, String)], ignoresCase: Bool = false, wholeWords: Bool = false)
    -> FilterDeclaration
  {
    FilterDeclaration(
      .replace(words: words.map { Word($0.0, $0.1) }, ignoresCase: ignoresCase, wholeWords: wholeWords))
  }

  static func block(_ patterns: String..., byteCountMax: Int? = nil) -> FilterDeclaration {
    FilterDeclaration(.block(patterns: patterns.map { Pattern($0, byteCountMax: byteCountMax) }))
  }
}

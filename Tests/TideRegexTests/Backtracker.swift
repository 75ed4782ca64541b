@testable import TideRegex

/// Matches by trying everything in the order of preference: exponential, but short enough to be seen to be right.
struct Backtracker {
  private let node: RegexNode
  private let text: [UInt8]
  private let captureCount: Int

  init(_ pattern: String, _ flags: RegexFlags, _ text: [UInt8]) throws {
    var copy = pattern
    (node, captureCount) = try copy.withUTF8 { bytes in
      var parser = try RegexParser(UnsafeRawBufferPointer(bytes), flags: flags)
      return (try parser.pattern(), parser.captureCount)
    }
    self.text = text
  }

  struct Match: Equatable {
    var range: Range<Int>
    var captures: [Range<Int>?]
  }

  func firstMatch(from start: Int) -> Match? {
    for place in start...text.count {
      var found: Match?
      let none = [Range<Int>?](repeating: nil, count: captureCount)
      if step(
        node, place, none,
        { end, captures in
          found = Match(range: place..<end, captures: captures)
          return true
        })
      {
        return found
      }
    }
    return nil
  }

  private typealias Next = (Int, [Range<Int>?]) -> Bool

  private func step(_ node: RegexNode, _ place: Int, _ captures: [Range<Int>?], _ next: Next) -> Bool {
    switch node {
    case .empty: return next(place, captures)
    case .set(let set):
      guard let (scalar, width) = scalar(at: place), set.ranges.contains(where: { $0.contains(scalar) }) else {
        return false
      }
      return next(place + width, captures)
    case .assertion(let assertion):
      let before = place > 0 ? Neighbour(text[place - 1]) : .edge
      let after = place < text.count ? Neighbour(text[place]) : .edge
      return assertion.holds(before: before, after: after) && next(place, captures)
    case .capture(let number, let inner):
      return step(inner, place, captures) { end, captures in
        var captures = captures
        captures[number - 1] = place..<end
        return next(end, captures)
      }
    case .concatenation(let nodes): return sequence(nodes[...], place, captures, next)
    case .alternation(let nodes): return nodes.contains { step($0, place, captures, next) }
    case .repetition(let inner, let minimum, let maximum, let isGreedy):
      return repetition(inner, minimum, maximum, isGreedy, 0, place, captures, next)
    }
  }

  private func sequence(
    _ nodes: ArraySlice<RegexNode>, _ place: Int, _ captures: [Range<Int>?], _ next: Next
  ) -> Bool {
    guard let first = nodes.first else { return next(place, captures) }
    return step(first, place, captures) { sequence(nodes.dropFirst(), $0, $1, next) }
  }

  private func repetition(
    _ inner: RegexNode, _ minimum: Int, _ maximum: Int?, _ isGreedy: Bool, _ count: Int, _ place: Int,
    _ captures: [Range<Int>?], _ next: Next
  ) -> Bool {
    func more() -> Bool {
      if let maximum, count >= maximum { return false }
      return step(inner, place, captures) { end, captures in
        // A round that took nothing is the last.
        if end == place && count >= minimum { return next(end, captures) }
        return repetition(inner, minimum, maximum, isGreedy, count + 1, end, captures, next)
      }
    }
    if count < minimum { return more() }
    return isGreedy ? more() || next(place, captures) : next(place, captures) || more()
  }

  private func scalar(at place: Int) -> (UInt32, Int)? {
    guard place < text.count else { return nil }
    var iterator = text[place...].makeIterator()
    var decoder = UTF8()
    guard case .scalarValue(let scalar) = decoder.decode(&iterator) else { return nil }
    return (scalar.value, UTF8.width(scalar))
  }
}

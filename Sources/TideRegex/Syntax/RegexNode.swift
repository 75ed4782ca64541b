/// A pattern as a tree.
indirect enum RegexNode {
  case empty
  /// One scalar of the set.
  case set(ScalarSet)
  case assertion(Assertion)
  /// A capture, numbered from 1 by its opening parenthesis.
  case capture(Int, RegexNode)
  case concatenation([RegexNode])
  /// Earlier alternatives are preferred.
  case alternation([RegexNode])
  /// `maximum` nil is without a bound.
  case repetition(RegexNode, minimum: Int, maximum: Int?, isGreedy: Bool)

  /// Whether it can match without taking a byte.
  var isNullable: Bool {
    switch self {
    case .empty, .assertion: true
    case .set: false
    case .capture(_, let node): node.isNullable
    case .concatenation(let nodes): nodes.allSatisfy(\.isNullable)
    case .alternation(let nodes): nodes.contains(where: \.isNullable)
    case .repetition(let node, let minimum, _, _): minimum == 0 || node.isNullable
    }
  }
}

/// What holds between two bytes without taking one.
enum Assertion: UInt8 {
  case textStart, textEnd, lineStart, lineEnd, wordBoundary, noWordBoundary

  /// - Parameters:
  ///   - before: what stands left of the place.
  ///   - after: what stands right of it.
  func holds(before: Neighbour, after: Neighbour) -> Bool {
    switch self {
    case .textStart: before == .edge
    case .textEnd: after == .edge
    case .lineStart: before == .edge || before == .lineFeed
    case .lineEnd: after == .edge || after == .lineFeed
    case .wordBoundary: (before == .word) != (after == .word)
    case .noWordBoundary: (before == .word) == (after == .word)
    }
  }
}

/// All that an assertion asks of a byte beside its place.
enum Neighbour: UInt8, CaseIterable {
  /// The text begins or ends here.
  case edge
  case lineFeed
  /// A letter, a digit or an underscore of ASCII.
  case word
  case other

  init(_ byte: UInt8) {
    switch byte {
    case 0x0A: self = .lineFeed
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
      self = .word
    default: self = .other
    }
  }
}

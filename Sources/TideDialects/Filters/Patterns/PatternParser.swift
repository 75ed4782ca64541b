/// What is wrong with a pattern, where, and what to write instead.
struct PatternProblem: Error, Equatable {
  /// The character that it is about, from 1.
  var position: Int
  var message: String
}

/// Reads the bounded subset of regular expressions: what a stream can be searched for with a known amount held back.
///
/// Characters, `.`, classes, `\d \w \s` and their opposites (ASCII), groups, `|`, `?`, `{n}`, `{m,n}`; `*`, `+` and `{m,}` where the pattern
/// has a `max_len`; `(?i)` at the beginning; `\b` at the very beginning and end. A match is always the longest.
struct PatternParser {
  /// Groups may be nested so deep.
  private static let depthMax = 32
  private static let repeatMax = 10_000

  private let scalars: [UInt32]
  private var cursor = 0
  private var depth = 0
  private var ignoresCase: Bool
  private let maxByteCount: Int?

  /// - Parameter maxByteCount: what bounds repeats that have no upper bound of their own.
  static func parse(_ text: String, maxByteCount: Int? = nil, ignoresCase: Bool = false)
    throws(PatternProblem) -> FilterPattern
  {
    var parser = PatternParser(text, maxByteCount, ignoresCase)
    return try parser.pattern()
  }

  private init(_ text: String, _ maxByteCount: Int?, _ ignoresCase: Bool) {
    scalars = text.unicodeScalars.map(\.value)
    self.maxByteCount = maxByteCount
    self.ignoresCase = ignoresCase
  }

  private mutating func pattern() throws(PatternProblem) -> FilterPattern {
    if take("(?i)") { ignoresCase = true }
    let left: FilterPattern.Edge = take("\\b") ? .boundary : .anything
    let first = cursor
    let node = try choice()
    var right = FilterPattern.Edge.anything
    if peek("\\b") {
      cursor += 2
      right = .boundary
    }
    if let next = current {
      if right == .boundary { throw problem(cursor - 1, Self.edgeAdvice) }
      throw problem(cursor + 1, "\(shown(next)) closes no group; write \\\(shown(next)) for the character itself")
    }
    if left != .anything || right != .anything, case .choice = node, !isGrouped(from: first) {
      throw problem(1, "\\b beside | belongs to one alternative only; put the alternatives in ( )")
    }
    guard node.byteCountMin > 0 else {
      throw problem(1, "the pattern matches the empty text; make some part of it required")
    }
    guard let longest = node.byteCountMax ?? maxByteCount else {
      throw problem(1, "the pattern has no upper bound; give it a max_len")
    }
    let byteCountMax = min(longest, maxByteCount ?? longest)
    guard byteCountMax >= node.byteCountMin else {
      throw problem(1, "its shortest match has \(node.byteCountMin) bytes, more than max_len = \(byteCountMax)")
    }
    guard byteCountMax <= 1 << 16 else {
      throw problem(1, "a match may have \(longest) bytes; at most 65536 can be held back: lower the repeats")
    }
    return FilterPattern(node: node, left: left, right: right, byteCountMax: byteCountMax)
  }

  /// Whether the alternatives just read stand in one group.
  private func isGrouped(from first: Int) -> Bool {
    guard first < scalars.count, scalars[first] == 0x28 else { return false }
    var open = 0
    var index = first
    var isInClass = false
    while index < scalars.count {
      switch scalars[index] {
      case 0x5C: index += 1
      case 0x5B: isInClass = true
      case 0x5D: isInClass = false
      case 0x28 where !isInClass: open += 1
      case 0x29 where !isInClass:
        open -= 1
        if open == 0 {
          let rest = scalars[(index + 1)...]
          return rest.isEmpty || rest.elementsEqual([0x5C, 0x62])
        }
      default: break
      }
      index += 1
    }
    return false
  }

  // MARK: Grammar

  private mutating func choice() throws(PatternProblem) -> FilterPattern.Node {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.depthMax + 1 else { throw problem(cursor, "groups are nested deeper than \(Self.depthMax)") }
    var alternatives = [try sequence()]
    while take("|") { alternatives.append(try sequence()) }
    return alternatives.count == 1 ? alternatives[0] : .choice(alternatives)
  }

  private mutating func sequence() throws(PatternProblem) -> FilterPattern.Node {
    var parts: [FilterPattern.Node] = []
    while let next = current, next != 0x7C, next != 0x29 {
      if peek("\\b") {
        // At the end of the pattern it is its right edge; a sequence inside a group has none.
        if depth == 1 { break }
        throw problem(cursor + 1, Self.edgeAdvice)
      }
      parts.append(try repeated(try atom()))
    }
    switch parts.count {
    case 0: return .empty
    case 1: return parts[0]
    default: return .sequence(parts)
    }
  }

  private mutating func repeated(_ node: FilterPattern.Node) throws(PatternProblem) -> FilterPattern.Node {
    let position = cursor + 1
    let low: Int
    let high: Int?
    switch current {
    case 0x2A: (low, high) = (0, nil)
    case 0x2B: (low, high) = (1, nil)
    case 0x3F: (low, high) = (0, 1)
    case 0x7B: (low, high) = try bounds()
    default: return node
    }
    cursor += 1
    guard high != nil || maxByteCount != nil else {
      let written = shown(scalars[position - 1])
      throw problem(
        position,
        "\(written == "{" ? "{\(low),}" : written) has no upper bound; write {\(low),64} or so, or give the pattern a max_len"
      )
    }
    switch current {
    case 0x3F: throw problem(cursor + 1, "a match is always the longest; remove the ? after the repeat")
    case 0x2B: throw problem(cursor + 1, "possessive repeats are not known; remove the +")
    case 0x2A, 0x7B: throw problem(cursor + 1, "a repeat of a repeat; put the first one in ( )")
    default: return .repeated(node, min: low, max: high)
    }
  }

  /// Reads `{n}`, `{m,}` or `{m,n}` up to its closing brace.
  private mutating func bounds() throws(PatternProblem) -> (Int, Int?) {
    let position = cursor + 1
    cursor += 1
    let advice = "a repeat is {n} or {m,n}; write \\{ for the character itself"
    guard let low = try number() else { throw problem(position, advice) }
    var high: Int? = low
    if current == 0x2C {
      cursor += 1
      high = try number()
    }
    guard current == 0x7D else { throw problem(position, advice) }
    if let high, high < low { throw problem(position, "{\(low),\(high)} ends below its beginning") }
    if high == 0 { throw problem(position, "a repeat of nothing; remove it") }
    return (low, high)
  }

  private mutating func number() throws(PatternProblem) -> Int? {
    let position = cursor + 1
    var value: Int?
    while let digit = current, digit >= 0x30, digit <= 0x39 {
      value = min((value ?? 0) * 10 + Int(digit - 0x30), Self.repeatMax + 1)
      cursor += 1
    }
    if let value, value > Self.repeatMax { throw problem(position, "repeats go up to \(Self.repeatMax)") }
    return value
  }

  private mutating func atom() throws(PatternProblem) -> FilterPattern.Node {
    let position = cursor + 1
    let value = scalars[cursor]
    cursor += 1
    switch value {
    case 0x2E: return .set(.any)
    case 0x5B: return .set(try characterClass(position))
    case 0x28: return try group(position)
    case 0x5C: return .set(cased(try escape(position)))
    case 0x2A, 0x2B, 0x3F, 0x7B:
      throw problem(position, "\(shown(value)) repeats nothing; write \\\(shown(value)) for the character itself")
    case 0x5E, 0x24:
      throw problem(
        position,
        "\(shown(value)) is not known: a stream is searched wherever a match begins; write \\\(shown(value)) for the character itself"
      )
    default: return .set(cased(ScalarSet(value)))
    }
  }

  private mutating func group(_ position: Int) throws(PatternProblem) -> FilterPattern.Node {
    if take("?:") {
    } else if current == 0x3F {
      if peek("?=") || peek("?!") || peek("?<=") || peek("?<!") {
        throw problem(position, "a filter cannot look around a match; use \\b, or match more and judge it in on_match")
      }
      if peek("?i") { throw problem(position, "(?i) may stand at the beginning only") }
      throw problem(position, "groups are ( ) and (?: ); they have no names and no options")
    }
    let node = try choice()
    guard current == 0x29 else { throw problem(position, "the group is not closed") }
    cursor += 1
    return node
  }

  // MARK: Characters

  private mutating func characterClass(_ position: Int) throws(PatternProblem) -> ScalarSet {
    var isInverted = false
    if current == 0x5E {
      isInverted = true
      cursor += 1
    }
    var ranges: [ClosedRange<UInt32>] = []
    var isFirst = true
    while true {
      guard let value = current else { throw problem(position, "the class is not closed with ]") }
      let place = cursor + 1
      cursor += 1
      if value == 0x5D, !isFirst { break }
      isFirst = false
      if value == 0x5B, current == 0x3A {
        throw problem(place, "named classes such as [:alpha:] are not known; write the ranges")
      }
      let low = value == 0x5C ? try escape(place, inClass: true) : ScalarSet(value)
      guard current == 0x2D, cursor + 1 < scalars.count, scalars[cursor + 1] != 0x5D else {
        ranges += cased(low).ranges
        continue
      }
      cursor += 1
      let end = scalars[cursor]
      cursor += 1
      let high = end == 0x5C ? try escape(cursor, inClass: true) : ScalarSet(end)
      guard let first = low.single, let last = high.single, first <= last else {
        throw problem(place, "a range in a class goes from a lower character to a higher one")
      }
      ranges += (ignoresCase ? ScalarSet([first...last]).caseClosed : ScalarSet([first...last])).ranges
    }
    let set = ScalarSet(ranges)
    let result = isInverted ? set.inverted : set
    guard !result.isEmpty else { throw problem(position, "the class holds no character") }
    return result
  }

  private mutating func escape(_ position: Int, inClass: Bool = false) throws(PatternProblem) -> ScalarSet {
    guard let value = current else { throw problem(position, "the pattern ends with a \\") }
    cursor += 1
    switch value {
    case 0x64: return .digits
    case 0x44: return ScalarSet.digits.inverted
    case 0x77: return .words
    case 0x57: return ScalarSet.words.inverted
    case 0x73: return .spaces
    case 0x53: return ScalarSet.spaces.inverted
    case 0x6E: return ScalarSet(0x0A)
    case 0x72: return ScalarSet(0x0D)
    case 0x74: return ScalarSet(0x09)
    case 0x78: return ScalarSet(try hexadecimal(position))
    case 0x62 where !inClass: throw problem(position, Self.edgeAdvice)
    case 0x31...0x39: throw problem(position, "back-references are not known: what they match has no bound")
    case 0x70, 0x50: throw problem(position, "\\p is not known; write the ranges of characters")
    case 0x61...0x7A, 0x41...0x5A, 0x30:
      throw problem(
        position,
        "\\\(shown(value)) is not known; there are \\d \\w \\s \\D \\W \\S \\n \\r \\t \\xHH \\x{H...} and \\b")
    default: return ScalarSet(value)
    }
  }

  private mutating func hexadecimal(_ position: Int) throws(PatternProblem) -> UInt32 {
    let isBraced = current == 0x7B
    if isBraced { cursor += 1 }
    var value: UInt32 = 0
    var count = 0
    while count < (isBraced ? 6 : 2), let next = current, let digit = Self.hexDigit(next) {
      value = value << 4 | digit
      count += 1
      cursor += 1
    }
    let isClosed = !isBraced || current == 0x7D
    guard count == 2 || (isBraced && count > 0), isClosed, Unicode.Scalar(value) != nil else {
      throw problem(position, "a character by its number is \\xHH or \\x{H...} up to \\x{10FFFF}")
    }
    if isBraced { cursor += 1 }
    return value
  }

  private static func hexDigit(_ value: UInt32) -> UInt32? {
    switch value {
    case 0x30...0x39: value - 0x30
    case 0x41...0x46: value - 0x41 + 10
    case 0x61...0x66: value - 0x61 + 10
    default: nil
    }
  }

  /// With case variants where they are asked for. `\d`, `\W` and the like are what they are in any case.
  private func cased(_ set: ScalarSet) -> ScalarSet { ignoresCase && set.single != nil ? set.caseClosed : set }

  // MARK: Text

  private static let edgeAdvice = "\\b may stand at the very beginning and the very end of a pattern only"

  private var current: UInt32? { cursor < scalars.count ? scalars[cursor] : nil }

  private func peek(_ text: String) -> Bool { scalars[cursor...].starts(with: text.unicodeScalars.map(\.value)) }

  private mutating func take(_ text: String) -> Bool {
    guard peek(text) else { return false }
    cursor += text.unicodeScalars.count
    return true
  }

  private func shown(_ value: UInt32) -> String { Unicode.Scalar(value).map { String(Character($0)) } ?? "?" }

  private func problem(_ position: Int, _ message: String) -> PatternProblem {
    PatternProblem(position: max(1, position), message: message)
  }
}

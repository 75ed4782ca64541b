/// Reads a pattern into a tree. Recursion is as deep as groups are nested, which has a limit.
///
/// What a linear matcher cannot do (back-references, look-around) and what would silently mean something else in
/// another dialect is refused by name.
struct RegexParser {
  static let repetitionMax = 1_000
  static let captureMax = 64
  private static let depthMax = 100

  private let scalars: [Unicode.Scalar]
  /// Where each scalar stands in the pattern's bytes, and where the pattern ends.
  private let offsets: [Int]
  private var cursor = 0
  private var flags: RegexFlags
  private(set) var captureCount = 0

  init(_ pattern: UnsafeRawBufferPointer, flags: RegexFlags) throws(RegexSyntaxError) {
    guard let text = String(validating: pattern, as: UTF8.self) else {
      throw RegexSyntaxError("the pattern is not valid UTF-8")
    }
    var scalars: [Unicode.Scalar] = []
    var offsets = [0]
    for scalar in text.unicodeScalars {
      scalars.append(scalar)
      offsets.append(offsets[offsets.count - 1] + UTF8.width(scalar))
    }
    self.scalars = scalars
    self.offsets = offsets
    self.flags = flags
  }

  mutating func pattern() throws(RegexSyntaxError) -> RegexNode {
    let node = try alternation(depth: 0)
    guard cursor == scalars.count else { throw failure("a ) that closes no group") }
    return node
  }

  // MARK: Reading

  private var next: Unicode.Scalar? { cursor < scalars.count ? scalars[cursor] : nil }

  private func peek(_ distance: Int) -> Unicode.Scalar? {
    cursor + distance < scalars.count ? scalars[cursor + distance] : nil
  }

  private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
    guard next == scalar else { return false }
    cursor += 1
    return true
  }

  private func failure(_ message: String, at index: Int? = nil) -> RegexSyntaxError {
    RegexSyntaxError(message, at: offsets[index ?? cursor])
  }

  // MARK: Structure

  private mutating func alternation(depth: Int) throws(RegexSyntaxError) -> RegexNode {
    guard depth <= Self.depthMax else { throw failure("groups are nested deeper than \(Self.depthMax)") }
    var branches: [RegexNode] = []
    repeat { branches.append(try concatenation(depth: depth)) } while take("|")
    return branches.count == 1 ? branches[0] : .alternation(branches)
  }

  private mutating func concatenation(depth: Int) throws(RegexSyntaxError) -> RegexNode {
    var nodes: [RegexNode] = []
    while let scalar = next, scalar != "|", scalar != ")" {
      let start = cursor
      guard let atom = try atom(depth: depth) else { continue }
      nodes.append(try quantified(atom, from: start))
    }
    return nodes.isEmpty ? .empty : nodes.count == 1 ? nodes[0] : .concatenation(nodes)
  }

  /// Nil for a group that only sets flags.
  private mutating func atom(depth: Int) throws(RegexSyntaxError) -> RegexNode? {
    let start = cursor
    let scalar = scalars[cursor]
    cursor += 1
    switch scalar {
    case "(": return try group(from: start, depth: depth)
    case "[": return .set(try characterClass(from: start))
    case ".": return .set(flags.contains(.dotMatchesLineFeed) ? .all : ScalarSet.lineFeed.inverted)
    case "^": return .assertion(flags.contains(.multiline) ? .lineStart : .textStart)
    case "$": return .assertion(flags.contains(.multiline) ? .lineEnd : .textEnd)
    case "\\": return try escape(from: start)
    case "*", "+", "?": throw failure("nothing to repeat before \(scalar)", at: start)
    case "{" where bounds(at: start) != nil: throw failure("nothing to repeat before {", at: start)
    default: return .set(folded(ScalarSet(scalar)))
    }
  }

  private mutating func group(from start: Int, depth: Int) throws(RegexSyntaxError) -> RegexNode? {
    let outer = flags
    var capture: Int?
    if take("?") {
      if try groupFlags(from: start) { return nil }
    } else {
      captureCount += 1
      guard captureCount <= Self.captureMax else {
        throw failure("more than \(Self.captureMax) captures: write (?: where nothing is captured", at: start)
      }
      capture = captureCount
    }
    let node = try alternation(depth: depth + 1)
    guard take(")") else { throw failure("the group is never closed", at: start) }
    flags = outer
    return capture.map { .capture($0, node) } ?? node
  }

  /// What follows `(?`. True when it was flags for the rest of the group that stands around it.
  private mutating func groupFlags(from start: Int) throws(RegexSyntaxError) -> Bool {
    switch next {
    case "=", "!": throw failure("look-ahead is not supported", at: start)
    case "<" where peek(1) == "=" || peek(1) == "!": throw failure("look-behind is not supported", at: start)
    case "<", "P", "'": throw failure("named groups are not supported: captures are numbered", at: start)
    case ">": throw failure("atomic groups are not supported", at: start)
    case "#": throw failure("comments in a pattern are not supported", at: start)
    default: break
    }
    var isRemoving = false
    while let scalar = next {
      let place = cursor
      cursor += 1
      switch scalar {
      case ":": return false
      case ")": return true
      case "-" where !isRemoving: isRemoving = true
      default:
        guard let flag = RegexFlags(letter: scalar) else {
          throw failure("unknown flag \(scalar): there are i, m and s", at: place)
        }
        if isRemoving { flags.remove(flag) } else { flags.insert(flag) }
      }
    }
    throw failure("the group is never closed", at: start)
  }

  // MARK: Repetition

  private mutating func quantified(_ node: RegexNode, from start: Int) throws(RegexSyntaxError) -> RegexNode {
    let bounds: Bounds
    switch next {
    case "*": bounds = Bounds(minimum: 0, maximum: nil, end: cursor + 1)
    case "+": bounds = Bounds(minimum: 1, maximum: nil, end: cursor + 1)
    case "?": bounds = Bounds(minimum: 0, maximum: 1, end: cursor + 1)
    case "{":
      guard let written = self.bounds(at: cursor) else {
        if peek(1) == "," { throw failure("a repetition needs its minimum: write {0,n}") }
        return node
      }
      bounds = written
    default: return node
    }
    guard max(bounds.minimum, bounds.maximum ?? 0) <= Self.repetitionMax else {
      throw failure("a repetition of more than \(Self.repetitionMax)")
    }
    if let maximum = bounds.maximum, maximum < bounds.minimum {
      throw failure("a repetition whose minimum is above its maximum")
    }
    if case .assertion = node { throw failure("nothing to repeat: this matches no text", at: start) }
    cursor = bounds.end
    let isGreedy = !take("?")
    switch next {
    case "+": throw failure("possessive repetition is not supported")
    case "*", "?": throw failure("a repetition of a repetition: put the inner one in (?: )")
    case "{" where self.bounds(at: cursor) != nil:
      throw failure("a repetition of a repetition: put the inner one in (?: )")
    default: break
    }
    return .repetition(node, minimum: bounds.minimum, maximum: bounds.maximum, isGreedy: isGreedy)
  }

  private struct Bounds {
    var minimum: Int
    var maximum: Int?
    /// Behind what was written.
    var end: Int
  }

  /// `{2}`, `{2,}` or `{2,5}` at `index`; any other brace stands for itself.
  private func bounds(at index: Int) -> Bounds? {
    guard let low = number(at: index + 1) else { return nil }
    if scalars[low.end] == "}" { return Bounds(minimum: low.value, maximum: low.value, end: low.end + 1) }
    guard scalars[low.end] == ",", low.end + 1 < scalars.count else { return nil }
    if scalars[low.end + 1] == "}" { return Bounds(minimum: low.value, maximum: nil, end: low.end + 2) }
    guard let high = number(at: low.end + 1), scalars[high.end] == "}" else { return nil }
    return Bounds(minimum: low.value, maximum: high.value, end: high.end + 1)
  }

  /// The digits at `index`; nil without one, or when the pattern ends with them. What is too large is the largest.
  private func number(at index: Int) -> (value: Int, end: Int)? {
    let digits = scalars[min(index, scalars.count)...].prefix { ("0"..."9").contains($0) }
    guard !digits.isEmpty, digits.endIndex < scalars.count else { return nil }
    var text = ""
    text.unicodeScalars.append(contentsOf: digits)
    return (Int(text) ?? .max, digits.endIndex)
  }

  // MARK: Single scalars

  private func folded(_ set: ScalarSet) -> ScalarSet { flags.contains(.ignoreCase) ? set.foldingCase : set }

  private enum Escaped {
    case scalar(Unicode.Scalar)
    case set(ScalarSet)
    case assertion(Assertion)
  }

  private mutating func escape(from start: Int) throws(RegexSyntaxError) -> RegexNode {
    switch try escaped(from: start) {
    case .scalar(let scalar): .set(folded(ScalarSet(scalar)))
    case .set(let set): .set(set)
    case .assertion(let assertion): .assertion(assertion)
    }
  }

  /// What stands behind a backslash.
  private mutating func escaped(from start: Int) throws(RegexSyntaxError) -> Escaped {
    guard let scalar = next else { throw failure("the pattern ends with a backslash", at: start) }
    cursor += 1
    switch scalar {
    case "d": return .set(.digits)
    case "D": return .set(ScalarSet.digits.inverted)
    case "s": return .set(.space)
    case "S": return .set(ScalarSet.space.inverted)
    case "w": return .set(.word)
    case "W": return .set(ScalarSet.word.inverted)
    case "b": return .assertion(.wordBoundary)
    case "B": return .assertion(.noWordBoundary)
    case "A": return .assertion(.textStart)
    case "z": return .assertion(.textEnd)
    case "n": return .scalar("\n")
    case "r": return .scalar("\r")
    case "t": return .scalar("\t")
    case "f": return .scalar("\u{0C}")
    case "v": return .scalar("\u{0B}")
    case "x": return .scalar(try hexadecimal(from: start))
    case "1"..."9": throw failure("back-references are not supported", at: start)
    case "p", "P": throw failure("classes of Unicode properties are not supported: write a range", at: start)
    case "a"..."z", "A"..."Z", "0": throw failure("unknown escape \\\(scalar)", at: start)
    default:
      guard scalar.isASCII, scalar.value > 0x20 else {
        throw failure("a backslash before what needs none", at: start)
      }
      return .scalar(scalar)
    }
  }

  /// `\x41` or `\x{1F600}`, read behind the `x`.
  private mutating func hexadecimal(from start: Int) throws(RegexSyntaxError) -> Unicode.Scalar {
    var digits = ""
    if take("{") {
      while let scalar = next, scalar != "}", digits.utf8.count < 7 {
        digits.unicodeScalars.append(scalar)
        cursor += 1
      }
      guard take("}") else { throw failure("write \\x{1F600}, or \\x41 with two digits", at: start) }
    } else {
      for _ in 0..<2 {
        guard let scalar = next else { break }
        digits.unicodeScalars.append(scalar)
        cursor += 1
      }
      guard digits.unicodeScalars.count == 2 else {
        throw failure("write \\x{1F600}, or \\x41 with two digits", at: start)
      }
    }
    let isHexadecimal = digits.utf8.allSatisfy { $0 &- 0x30 < 10 || ($0 | 0x20) &- 0x61 < 6 }
    guard isHexadecimal, let value = UInt32(digits, radix: 16) else {
      throw failure("write \\x{1F600}, or \\x41 with two digits", at: start)
    }
    guard let scalar = Unicode.Scalar(value) else { throw failure("there is no such character", at: start) }
    return scalar
  }

  // MARK: Classes

  private mutating func characterClass(from start: Int) throws(RegexSyntaxError) -> ScalarSet {
    let isInverted = take("^")
    var set = ScalarSet()
    var plain: [ClosedRange<UInt32>] = []
    // A ] at the very beginning stands for itself.
    var isFirst = true
    while isFirst || next != "]" {
      guard let scalar = next else { throw failure("the class is never closed", at: start) }
      let place = cursor
      if scalar == "[", peek(1) == ":" {
        throw failure("named classes are not supported: write \\w, \\d or a range", at: place)
      }
      isFirst = false
      switch try member() {
      case .set(let members):
        set = set.union(members)
        if next == "-", peek(1) != "]", peek(1) != nil {
          throw failure("a range needs a character at each end", at: place)
        }
      case .scalar(let low):
        guard next == "-", let after = peek(1), after != "]" else {
          plain.append(low.value...low.value)
          continue
        }
        cursor += 1
        guard case .scalar(let high) = try member() else {
          throw failure("a range needs a character at each end", at: place)
        }
        guard low.value <= high.value else { throw failure("a range whose ends are the wrong way round", at: place) }
        plain.append(low.value...high.value)
      case .assertion: throw failure("an assertion cannot stand in a class", at: place)
      }
    }
    cursor += 1
    set = folded(set.union(ScalarSet(plain)))
    return isInverted ? set.inverted : set
  }

  private mutating func member() throws(RegexSyntaxError) -> Escaped {
    let start = cursor
    guard let scalar = next else { throw failure("the class is never closed") }
    cursor += 1
    return scalar == "\\" ? try escaped(from: start) : .scalar(scalar)
  }
}

@testable import TideDialects

/// What filters mean, written down as plainly as possible: every rule is tried at every place, the leftmost, longest, earliest listed
/// match wins. Shares the parser, the entities' forms and their checks with the product, no automaton.
struct ReferenceFilters {
  struct Result: Equatable {
    var output: [UInt8] = []
    /// Where what must be held begins.
    var kept: Int
    var step = FilterStep.proceed
  }

  private enum Matcher {
    case word([UInt32], folds: Bool, isWhole: Bool)
    case pattern(FilterPattern.Node, left: FilterPattern.Edge, right: FilterPattern.Edge)
  }

  private struct Rule {
    var matcher: Matcher
    var byteCountMax: Int
    var check = EntityCheck.none
    var tail = EntityRecogniser.Tail.none
    /// Nil leaves the match as it is.
    var replacement: [UInt8]?
    var cuts = false
  }

  private var rules: [Rule] = []
  private let hold: FilterHold

  init(_ declarations: [FilterDeclaration], hold: FilterHold = FilterHold()) throws {
    self.hold = hold
    for declaration in declarations {
      switch declaration.action {
      case .mask(let kinds, let template):
        for kind in kinds {
          for form in EntityRecogniser.forms(of: kind) {
            var rule = try Self.rule(form.pattern, left: form.left, right: form.right)
            rule.check = form.check
            rule.tail = form.tail
            rule.replacement = bytes(
              template.split(separator: "{kind}", omittingEmptySubsequences: false).joined(separator: kind.name))
            rules.append(rule)
          }
        }
      case .replace(let words, let ignoresCase, let wholeWords):
        for word in words {
          let scalars = word.text.unicodeScalars.map(\.value)
          rules.append(
            Rule(
              matcher: .word(scalars, folds: ignoresCase, isWhole: wholeWords), byteCountMax: hold.byteCount,
              replacement: bytes(word.replacement)))
        }
      case .restore: rules.append(try Self.rule(Placeholder.pattern))
      case .block(let patterns):
        for pattern in patterns {
          var rule = try Self.rule(
            pattern.text, byteCountMax: pattern.byteCountMax, ignoresCase: pattern.ignoresCase)
          rule.cuts = true
          rules.append(rule)
        }
      case .limit: break
      }
    }
  }

  private static func rule(
    _ text: String, left: FilterPattern.Edge = .anything, right: FilterPattern.Edge = .anything,
    byteCountMax: Int? = nil, ignoresCase: Bool = false
  ) throws -> Rule {
    let parsed = try PatternParser.parse(text, maxByteCount: byteCountMax, ignoresCase: ignoresCase)
    return Rule(
      matcher: .pattern(
        parsed.node, left: left == .anything ? parsed.left : left, right: right == .anything ? parsed.right : right),
      byteCountMax: parsed.byteCountMax)
  }

  // MARK: A whole text

  /// - Parameter isEnd: nothing follows; else what could still become a match is held.
  func run(_ text: [UInt8], isEnd: Bool) -> Result {
    var result = Result(kept: text.count)
    var place = 0
    var tail = EntityRecogniser.Tail.none
    while place < text.count {
      if tail.contains(text[place]) {
        place += 1
        continue
      }
      tail = .none
      var attempt = Attempt(text: text, isEnd: isEnd, start: place, hold: hold)
      // No match begins inside a character.
      if text[place] & 0xC0 != 0x80 { for (number, rule) in rules.enumerated() { follow(rule, number, &attempt) } }
      if attempt.isOpen {
        result.kept = place
        return result
      }
      guard let best = attempt.best else {
        if attempt.isTooLong, hold.isStrict {
          result.step = .overHold
          return result
        }
        result.output.append(text[place])
        place += 1
        continue
      }
      let rule = rules[best.rule]
      if rule.cuts {
        result.step = .cut
        return result
      }
      result.output += rule.replacement ?? Array(text[place..<best.end])
      tail = rule.tail
      place = best.end
    }
    return result
  }

  // MARK: One place

  private struct Attempt {
    let text: [UInt8]
    let isEnd: Bool
    let start: Int
    let hold: FilterHold
    var best: (end: Int, rule: Int)?
    /// Some rule would have to read on.
    var readsOn = false
    /// A rule with this number ends with the text and must see what follows.
    var waiting: Int?
    var isTooLong = false

    var isOpen: Bool {
      if readsOn { return true }
      guard let waiting else { return false }
      guard let best, best.end == text.count else { return true }
      return waiting < best.rule
    }

    func scalar(_ place: Int) -> (value: UInt32, length: Int)? {
      guard place < text.count else { return nil }
      return text.withUnsafeBufferPointer { UTF8Text.scalar($0.baseAddress!, at: place, count: text.count) }
    }

    func before(_ place: Int) -> UInt32 {
      guard place > 0 else { return WordEdge.none }
      return text.withUnsafeBufferPointer { UTF8Text.scalar($0.baseAddress!, before: place).value }
    }

    /// Notes that a rule wants to read at `place`; whether it may.
    mutating func mayRead(_ place: Int, byteCountMax: Int) -> Bool {
      let length = place - start
      guard length < byteCountMax else { return false }
      if length >= hold.byteCount {
        if hold.isStrict, best == nil { if place < text.count { return true } else if !isEnd { readsOn = true } }
        return false
      }
      if place == text.count {
        if !isEnd { readsOn = true }
        return false
      }
      return true
    }
  }

  private func follow(_ rule: Rule, _ number: Int, _ attempt: inout Attempt) {
    let start = attempt.start
    let before = attempt.before(start)
    var ends: Set<Int> = []
    switch rule.matcher {
    case .word(let scalars, let folds, let isWhole):
      let first = attempt.scalar(start)?.value ?? WordEdge.none
      if isWhole, !WordEdge.isEdge(before, first) { return }
      var place = start
      for value in scalars {
        guard attempt.mayRead(place, byteCountMax: rule.byteCountMax), let next = attempt.scalar(place) else { return }
        guard next.length > 0 else { return }
        let isSame = folds ? CaseFolding.fold(next.value) == CaseFolding.fold(value) : next.value == value
        guard isSame else { return }
        place += next.length
      }
      ends = [place]
    case .pattern(let node, let left, _):
      let isWordBefore = before < 0x80 && WordEdge.isASCIIWord(UInt8(before))
      switch left {
      case .anything: break
      case .noWord: if isWordBefore { return }
      case .boundary: if isWordBefore == WordEdge.isASCIIWord(attempt.text[start]) { return }
      }
      ends = match(node, [start], rule, &attempt)
    }
    for end in ends.sorted() { judge(rule, number, end, before, &attempt) }
  }

  private func judge(_ rule: Rule, _ number: Int, _ end: Int, _ before: UInt32, _ attempt: inout Attempt) {
    let start = attempt.start
    guard end - start <= min(rule.byteCountMax, hold.byteCount) else {
      if end - start > hold.byteCount { attempt.isTooLong = true }
      return
    }
    let holds = attempt.text[start..<end].withUnsafeBytes { rule.check.holds($0, before: before) }
    guard holds else { return }
    let next: UInt32
    if let scalar = attempt.scalar(end) {
      next = scalar.value
    } else if attempt.isEnd {
      next = WordEdge.none
    } else {
      switch rule.matcher {
      case .word(_, _, true), .pattern(_, _, .boundary), .pattern(_, _, .noWord):
        attempt.waiting = min(attempt.waiting ?? number, number)
        return
      default: next = WordEdge.none
      }
    }
    let isWordNext = next < 0x80 && WordEdge.isASCIIWord(UInt8(next))
    switch rule.matcher {
    case .word(_, _, let isWhole): if isWhole, !WordEdge.isEdge(attempt.before(end), next) { return }
    case .pattern(_, _, .noWord): if isWordNext { return }
    case .pattern(_, _, .boundary): if isWordNext == WordEdge.isASCIIWord(attempt.text[end - 1]) { return }
    case .pattern: break
    }
    if let best = attempt.best, best.end >= end { return }
    attempt.best = (end, number)
  }

  /// All places where the expression may end that begins at one of `places`.
  private func match(_ node: FilterPattern.Node, _ places: Set<Int>, _ rule: Rule, _ attempt: inout Attempt)
    -> Set<Int>
  {
    switch node {
    case .empty: return places
    case .set(let set):
      var result: Set<Int> = []
      for place in places where attempt.mayRead(place, byteCountMax: rule.byteCountMax) {
        guard let next = attempt.scalar(place), next.length > 0, set.contains(next.value) else { continue }
        // A byte that is no UTF-8 is no character.
        if next.value == 0xFFFD, next.length == 1 { continue }
        if place - attempt.start >= hold.byteCount {
          attempt.isTooLong = true
          continue
        }
        result.insert(place + next.length)
      }
      return result
    case .sequence(let nodes): return nodes.reduce(places) { $0.isEmpty ? $0 : match($1, $0, rule, &attempt) }
    case .choice(let nodes):
      return nodes.reduce(into: Set<Int>()) { $0.formUnion(match($1, places, rule, &attempt)) }
    case .repeated(let inner, let low, let high):
      var current = places
      var result: Set<Int> = low == 0 ? places : []
      var count = 0
      while !current.isEmpty, count < high ?? Int.max {
        current = match(inner, current, rule, &attempt)
        count += 1
        if count >= low {
          if high == nil, current.isSubset(of: result) { break }
          result.formUnion(current)
        }
      }
      return result
    }
  }
}

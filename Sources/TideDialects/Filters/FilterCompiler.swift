/// Turns declarations into the tables of a `FilterSet`. Throws at the first thing that it cannot bound.
struct FilterCompiler {
  struct Parts {
    var hold: FilterHold
    var outputTokensMax: Int?
    var exact: LiteralAutomaton?
    var folded: LiteralAutomaton?
    var patterns: PatternAutomaton?
    var gate: PatternGate?
    var rules: [FilterRule]
    var text: [UInt8]
    var patternByteCountMax: Int
  }

  /// Characters of all words of a set.
  static let wordCharactersMax = 4_000_000
  /// States of the automaton of all patterns of a set.
  static let patternStatesMax = 20_000

  private let hold: FilterHold
  private var outputTokensMax: Int?
  private var rules: [FilterRule] = []
  private var text: [UInt8] = []
  private var exactWords: [LiteralTrie.Word] = []
  private var foldedWords: [LiteralTrie.Word] = []
  private var sources: [PatternNFA.Source] = []
  private var patternByteCountMax = 0
  private var wordCharacters = 0

  init(hold: FilterHold) { self.hold = hold }

  // MARK: Declarations

  mutating func add(_ declaration: FilterDeclaration, at filter: Int) throws(FilterProblem) {
    guard filter < FilterSet.filtersMax else {
      throw FilterProblem(filter: filter, message: "a policy may list at most \(FilterSet.filtersMax) filters")
    }
    switch declaration.action {
    case .mask(let kinds, let template): try mask(kinds, template, declaration, filter)
    case .replace(let words, let ignoresCase, let wholeWords):
      try replace(words, ignoresCase, wholeWords, declaration, filter)
    case .restore:
      let rule = FilterRule(filter: UInt16(filter), kind: .placeholder, asks: true, byteCountMax: 0)
      try add(Placeholder.pattern, rule, filter, "restore")
    case .block(let patterns): try block(patterns, filter)
    case .limit(let tokens):
      guard tokens > 0 else { throw FilterProblem(filter: filter, message: "limit: output_tokens must be above 0") }
      outputTokensMax = min(outputTokensMax ?? tokens, tokens)
    }
  }

  private mutating func mask(
    _ kinds: [EntityKind], _ template: String, _ declaration: FilterDeclaration, _ filter: Int
  ) throws(FilterProblem) {
    guard !kinds.isEmpty else {
      throw FilterProblem(
        filter: filter,
        message: "mask: kinds is empty; there are " + EntityKind.allCases.map(\.name).joined(separator: ", "))
    }
    for kind in kinds {
      let replacement = keep(Self.fill(template, kind.name))
      for form in EntityRecogniser.forms(of: kind) {
        var rule = FilterRule(
          filter: UInt16(filter), kind: .entity, entity: kind, right: form.right, check: form.check, tail: form.tail,
          asks: declaration.asksOnMatch, byteCountMax: 0)
        (rule.replacementStart, rule.replacementCount) = replacement
        try add(form.pattern, rule, left: form.left, filter, "mask: \(kind.name)")
      }
    }
  }

  private mutating func replace(
    _ words: [FilterDeclaration.Word], _ ignoresCase: Bool, _ wholeWords: Bool, _ declaration: FilterDeclaration,
    _ filter: Int
  ) throws(FilterProblem) {
    guard !words.isEmpty else { throw FilterProblem(filter: filter, message: "replace: words is empty") }
    var known: [[UInt32]: String] = [:]
    for (index, word) in words.enumerated() {
      let scalars = word.text.unicodeScalars.map(\.value)
      guard !scalars.isEmpty else { throw FilterProblem(filter: filter, message: "replace: a word is empty") }
      let folded = ignoresCase ? scalars.map(CaseFolding.fold) : scalars
      if let other = known[folded] {
        throw FilterProblem(
          filter: filter,
          message: "replace: \"\(other)\" and \"\(word.text)\" are the same word"
            + (ignoresCase ? " with ignore_case" : "") + "; keep one of them")
      }
      known[folded] = word.text
      var rule = FilterRule(
        filter: UInt16(filter), kind: .word, item: UInt32(index), isWhole: wholeWords, asks: declaration.asksOnMatch,
        byteCountMax: 0)
      (rule.replacementStart, rule.replacementCount) = keep(word.replacement)
      try add(scalars, folds: ignoresCase, rule, filter, "replace: the word \"\(word.text)\"")
    }
  }

  private mutating func block(_ patterns: [FilterDeclaration.Pattern], _ filter: Int) throws(FilterProblem) {
    guard !patterns.isEmpty else { throw FilterProblem(filter: filter, message: "block: patterns is empty") }
    for (index, pattern) in patterns.enumerated() {
      let rule = FilterRule(
        filter: UInt16(filter), kind: .pattern, item: UInt32(index), asks: true, cuts: true, byteCountMax: 0)
      try add(
        pattern.text, byteCountMax: pattern.byteCountMax, ignoresCase: pattern.ignoresCase, rule, filter,
        "block: patterns[\(index + 1)]")
    }
  }

  // MARK: Words and patterns

  private mutating func add(
    _ scalars: [UInt32], folds: Bool, _ rule: FilterRule, _ filter: Int, _ place: String
  ) throws(FilterProblem) {
    let byteCountMax = LiteralTrie.byteCountMax(scalars, folds: folds)
    guard byteCountMax <= hold.byteCount else {
      throw FilterProblem(
        filter: filter,
        message: "\(place) may have \(byteCountMax) bytes, and hold.bytes is \(hold.byteCount); raise hold.bytes")
    }
    wordCharacters += scalars.count
    guard wordCharacters <= Self.wordCharactersMax else {
      throw FilterProblem(
        filter: filter, message: "\(place): all words together have more than \(Self.wordCharactersMax) characters")
    }
    var rule = rule
    rule.byteCountMax = UInt32(clamping: byteCountMax)
    let word = LiteralTrie.Word(scalars: scalars, rule: UInt32(rules.count), isWhole: rule.isWhole)
    if folds { foldedWords.append(word) } else { exactWords.append(word) }
    rules.append(rule)
  }

  private mutating func add(
    _ pattern: String, byteCountMax: Int? = nil, ignoresCase: Bool = false, _ rule: FilterRule,
    left: FilterPattern.Edge = .anything, _ filter: Int, _ place: String
  ) throws(FilterProblem) {
    let parsed: FilterPattern
    do throws(PatternProblem) {
      parsed = try PatternParser.parse(pattern, maxByteCount: byteCountMax, ignoresCase: ignoresCase)
    } catch {
      throw FilterProblem(
        filter: filter, message: "\(place): at character \(error.position) of \"\(pattern)\": \(error.message)")
    }
    if left == .anything, rule.right == .anything, rule.tail == .none,
      let word = Self.word(pattern, ignoresCase: ignoresCase)
    {
      return try add(word.scalars, folds: word.folds, rule, filter, place)
    }
    let shortest = parsed.node.byteCountMin
    guard shortest <= hold.byteCount else {
      throw FilterProblem(
        filter: filter,
        message:
          "\(place): its shortest match has \(shortest) bytes, and hold.bytes is \(hold.byteCount); raise hold.bytes")
    }
    var rule = rule
    rule.byteCountMax = UInt32(clamping: parsed.byteCountMax)
    if parsed.right != .anything { rule.right = parsed.right }
    sources.append(
      PatternNFA.Source(
        node: parsed.node, rule: UInt32(rules.count), left: left == .anything ? parsed.left : left,
        byteCountMax: parsed.node.byteCountMax.map { $0 <= parsed.byteCountMax } == true ? nil : parsed.byteCountMax))
    patternByteCountMax = max(patternByteCountMax, parsed.byteCountMax)
    rules.append(rule)
  }

  /// The characters of a pattern that is a plain word: the automaton of words holds any number of them.
  private static func word(_ pattern: String, ignoresCase: Bool) -> (scalars: [UInt32], folds: Bool)? {
    let isMarked = pattern.hasPrefix("(?i)")
    let bare = isMarked ? String(pattern.dropFirst("(?i)".count)) : pattern
    guard let parsed = try? PatternParser.parse(bare), parsed.left == .anything, parsed.right == .anything,
      let scalars = parsed.node.literal
    else { return nil }
    return (scalars, ignoresCase || isMarked)
  }

  /// Stores a replacement and says where.
  private mutating func keep(_ replacement: String) -> (UInt32, UInt32) {
    let start = text.count
    text += Array(replacement.utf8)
    return (UInt32(clamping: start), UInt32(clamping: text.count - start))
  }

  /// The template with the kind's name in place of `{kind}`.
  private static func fill(_ template: String, _ kind: String) -> String {
    var result = ""
    var rest = Substring(template)
    while let brace = rest.firstIndex(of: "{") {
      result += rest[..<brace]
      rest = rest[brace...]
      if rest.hasPrefix("{kind}") {
        result += kind
        rest = rest.dropFirst("{kind}".count)
      } else {
        result += "{"
        rest = rest.dropFirst()
      }
    }
    return result + rest
  }

  // MARK: Tables

  func compiled() throws(FilterProblem) -> Parts {
    let whole = Set(rules.indices.filter { rules[$0].isWhole }.map { UInt32($0) })
    var parts = Parts(
      hold: hold, outputTokensMax: outputTokensMax, rules: rules, text: text,
      patternByteCountMax: min(patternByteCountMax, hold.byteCount))
    if !sources.isEmpty {
      parts.patterns = try automaton()
      // A strict scanner must see what grows beyond the hold, even if it never ends.
      if !hold.isStrict || patternByteCountMax <= hold.byteCount {
        parts.gate = PatternGate(sources, right: sources.map { rules[Int($0.rule)].right })
      }
    }
    if !exactWords.isEmpty {
      parts.exact = LiteralAutomaton(LiteralTables(LiteralTrie(exactWords, folds: false), wholeRules: whole))
    }
    if !foldedWords.isEmpty {
      parts.folded = LiteralAutomaton(LiteralTables(LiteralTrie(foldedWords, folds: true), wholeRules: whole))
    }
    return parts
  }

  private func automaton() throws(FilterProblem) -> PatternAutomaton {
    var tooLarge = 0
    guard let nfa = PatternNFA(sources, tooLarge: &tooLarge) else {
      throw problem(
        of: tooLarge, "its repeats unfold to more than \(PatternNFA.stateCountMax) states; lower their upper bounds")
    }
    guard let subsets = SubsetConstruction(nfa, isUnanchored: false, stateCountMax: Self.patternStatesMax) else {
      // Which pattern is it? The first one that is too much together with those before it.
      var count = 1
      while count < sources.count {
        let some = Array(sources[..<count])
        guard let nfa = PatternNFA(some, tooLarge: &tooLarge),
          SubsetConstruction(nfa, isUnanchored: false, stateCountMax: Self.patternStatesMax) != nil
        else { break }
        count += 1
      }
      throw problem(
        of: count - 1,
        "with the patterns before it, it needs more than \(Self.patternStatesMax) states; lower upper bounds of repeats, or begin "
          + "the pattern with characters of its own")
    }
    return PatternAutomaton(subsets, rules: sources.map(\.rule))
  }

  private func problem(of source: Int, _ message: String) -> FilterProblem {
    let rule = rules[Int(sources[source].rule)]
    let place =
      switch rule.kind {
      case .pattern: "block: patterns[\(rule.item + 1)]"
      case .entity: "mask: \(rule.entity.name)"
      case .word: "replace"
      case .placeholder: "restore"
      }
    return FilterProblem(filter: Int(rule.filter), message: "\(place): \(message)")
  }
}

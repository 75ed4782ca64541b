/// The filters of one policy, compiled: read-only, shared by all workers.
///
/// One scan finds what all of them look for: the match that begins first, of those the longest, of those the one listed first. What
/// takes its place is not scanned again. Words are case-folded and delimited as `CaseFolding` and `WordEdge` say.
///
/// `@unchecked Sendable` because its tables are unsafe pointers; they are written before it is handed out and never again.
public final class FilterSet: @unchecked Sendable {
  /// As many as `FilterScanner.disabled` has bits.
  public static let filtersMax = 64

  public let hold: FilterHold
  /// The smallest of the `limit` filters, in tokens.
  public let outputTokensMax: Int?

  /// Words whose case counts, and words whose case does not.
  let exact: LiteralAutomaton?
  let folded: LiteralAutomaton?
  let patterns: PatternAutomaton?
  let gate: PatternGate?
  let rules: FrozenTable<FilterRule>
  /// Replacements, one after another.
  let text: FrozenTable<UInt8>
  /// The longest match of a pattern, at most the hold.
  let patternByteCountMax: Int
  /// By byte: bit 0, some word may begin with it; bit 1, some pattern.
  let beginnings: FrozenTable<UInt8>

  /// Compiles filters in the order listed.
  ///
  /// For the control thread: large sets take a second and more.
  public convenience init(_ declarations: [FilterDeclaration], hold: FilterHold = FilterHold()) throws(FilterProblem) {
    var compiler = FilterCompiler(hold: hold)
    for (index, declaration) in declarations.enumerated() { try compiler.add(declaration, at: index) }
    self.init(try compiler.compiled())
  }

  init(_ parts: FilterCompiler.Parts) {
    hold = parts.hold
    outputTokensMax = parts.outputTokensMax
    exact = parts.exact
    folded = parts.folded
    patterns = parts.patterns
    gate = parts.gate
    rules = FrozenTable(parts.rules)
    text = FrozenTable(parts.text)
    patternByteCountMax = parts.patternByteCountMax
    var beginnings = [UInt8](repeating: 0, count: 256)
    for byte in UInt8.min...UInt8.max {
      for words in [parts.exact, parts.folded].compactMap(\.self) where words.child(0, byte) != nil {
        beginnings[Int(byte)] |= 1
      }
      if let patterns = parts.patterns,
        patterns.step(patterns.afterOther, byte) != 0 || patterns.step(patterns.afterWord, byte) != 0
      {
        beginnings[Int(byte)] |= 2
      }
    }
    self.beginnings = FrozenTable(beginnings)
  }

  deinit {
    exact?.deallocate()
    folded?.deallocate()
    patterns?.deallocate()
    gate?.deallocate()
    rules.deallocate()
    text.deallocate()
    beginnings.deallocate()
  }

  /// Whether there is anything to look for; `limit` filters alone need no scan.
  public var scans: Bool { rules.count > 0 }

  /// Bytes that the compiled tables take.
  public var byteCount: Int {
    (exact?.byteCount ?? 0) + (folded?.byteCount ?? 0) + (patterns?.byteCount ?? 0) + (gate?.byteCount ?? 0)
      + rules.byteCount + text.byteCount
  }
}

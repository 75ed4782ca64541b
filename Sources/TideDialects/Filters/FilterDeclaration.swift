/// One filter as a policy declares it.
public struct FilterDeclaration: Equatable, Sendable {
  public enum Action: Equatable, Sendable {
    /// Replaces finds by a text in which `{kind}` stands for the kind's name.
    case mask(kinds: [EntityKind], with: String)
    /// Replaces words by others.
    case replace(words: [Word], ignoresCase: Bool, wholeWords: Bool)
    /// Asks for the original of each placeholder; what is not in the map stays.
    case restore(map: String)
    /// Reports finds, which end the answer unless whoever is asked decides otherwise.
    case block(patterns: [Pattern])
    /// Ends the answer after so many tokens. Not part of the scan: see `OutputLimit`.
    case limit(outputTokens: Int)
  }

  /// A word and what takes its place.
  public struct Word: Equatable, Sendable {
    public var text: String
    public var replacement: String

    public init(_ text: String, _ replacement: String) {
      self.text = text
      self.replacement = replacement
    }
  }

  /// A regular expression of the bounded subset.
  public struct Pattern: Equatable, Sendable {
    public var text: String
    /// The longest match in bytes, for patterns whose repeats have no upper bound.
    public var byteCountMax: Int?
    public var ignoresCase: Bool

    public init(_ text: String, byteCountMax: Int? = nil, ignoresCase: Bool = false) {
      self.text = text
      self.byteCountMax = byteCountMax
      self.ignoresCase = ignoresCase
    }
  }

  public var action: Action
  /// Whether each match is put before the caller, who may decide otherwise. `restore` and `block` always ask.
  public var asksOnMatch: Bool

  public init(_ action: Action, asksOnMatch: Bool = false) {
    self.action = action
    self.asksOnMatch = asksOnMatch
  }

  /// Checks what does not depend on the other filters of a set, so that a mistake can be shown where it was written.
  public func check() throws(FilterProblem) {
    var compiler = FilterCompiler(hold: FilterHold(byteCount: FilterHold.byteCountRange.upperBound))
    try compiler.add(self, at: 0)
  }

  /// The filter's name in Lua.
  public var name: String {
    switch action {
    case .mask: "mask"
    case .replace: "replace"
    case .restore: "restore"
    case .block: "block"
    case .limit: "limit"
    }
  }
}

/// Why a set of filters was refused: which filter, what is wrong, what to do.
public struct FilterProblem: Error, Equatable, Sendable, CustomStringConvertible {
  /// The filter's place in its list, from 0.
  public var filter: Int
  public var message: String

  public init(filter: Int, message: String) {
    self.filter = filter
    self.message = message
  }

  /// `filters[2]: replace: ...`, counted from 1 as Lua counts.
  public var description: String { "filters[\(filter + 1)]: \(message)" }
}

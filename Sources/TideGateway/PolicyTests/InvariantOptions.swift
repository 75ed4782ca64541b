import TideCore
import TideDialects
import TideLua

/// What `t.invariant(r, { ... })` may leave out, and how far it goes.
struct InvariantOptions {
  /// What a case is run again with.
  enum Aspect: String, CaseIterable {
    case deltas, reads, lines, whole, choices, tools, breaks, leaves

    var doc: String {
      switch self {
      case .deltas: "The text cut into deltas: one, at every place, one a byte, at random."
      case .reads: "The answer cut into reads: at every place, one a byte, at random."
      case .lines: "Lines that end in CR LF and in CR."
      case .whole: "Not streamed when the case is, and the other way round."
      case .choices:
        "Two choices (`n = 2`). `tide.cut` in one ends both: where a policy cuts, say `except = { \"choices\" }`."
      case .tools: "Deltas of tool calls between those of the text."
      case .breaks: "The upstream breaks off after each event."
      case .leaves: "The client leaves after each event."
      }
    }
  }

  private static let keys = ["only", "except", "dialects", "seed", "random"]

  var aspects = Set(Aspect.allCases)
  var dialects = Dialect.allCases
  var seed: UInt64 = 1
  /// How many random cuttings of each kind.
  var randomCount = 8

  init(_ value: LuaValue) throws(TestProblem) {
    guard !value.isNil else { return }
    let table = try TestTable(value, "invariant", allowed: Self.keys)
    if let only = try table.strings("only") { aspects = try Set(Self.aspects(only, "only")) }
    if let except = try table.strings("except") { aspects.subtract(try Self.aspects(except, "except")) }
    if let names = try table.strings("dialects") {
      let known = Dialect.allCases.map(\.name)
      if let name = names.first(where: { !known.contains($0) }) { throw Self.unknown(name, "dialects", known) }
      dialects = Dialect.allCases.filter { names.contains($0.name) }
    }
    if let seed = try table.integer("seed") { self.seed = UInt64(bitPattern: Int64(seed)) }
    if let count = try table.integer("random") { randomCount = max(0, min(count, 10_000)) }
  }

  /// For the reference.
  static var markdown: String {
    var lines = [
      "### `t.invariant(r, { ... })` in tests", "",
      "Runs the case of `r` again in each of these ways, in each dialect. `only` and `except` take a list of them; `dialects` takes",
      "\(Dialect.allCases.map { "`\($0.name)`" }.joined(separator: ", ")); `random` is how many random cuttings of each kind are tried (8), and `seed` where",
      "their numbers begin.", "", "| Way | |", "|---|---|",
    ]
    lines += Aspect.allCases.map { "| `\($0.rawValue)` | \($0.doc) |" }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func aspects(_ names: [String], _ key: String) throws(TestProblem) -> [Aspect] {
    var aspects: [Aspect] = []
    for name in names {
      guard let aspect = Aspect(rawValue: name) else { throw unknown(name, key, Aspect.allCases.map(\.rawValue)) }
      aspects.append(aspect)
    }
    return aspects
  }

  private static func unknown(_ name: String, _ key: String, _ known: [String]) -> TestProblem {
    let near = nearestName(to: name, among: known).map { "did you mean '\($0)'? " } ?? ""
    return TestProblem(
      "invariant: '\(key)' knows no '\(name)' (\(near)there are \(known.joined(separator: ", ")))")
  }
}

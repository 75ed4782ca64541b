import TideCore
import TideLua
import TidePolicy

/// What `t.budget(r, { ... })` lets a case cost: figures that are the same in each run and on each machine, so no times.
struct TestBudget {
  enum Key: String, CaseIterable {
    case instructions, memory
    case httpCalls = "http_calls"
    case heldBytes = "held_bytes"

    var doc: String {
      switch self {
      case .instructions:
        "Instructions of Lua that the hooks run, all of them and all policies together. What host functions and patterns do is none."
      case .memory:
        "Bytes by which the hooks' calls make their machines grow, garbage included; a number or `\"64KiB\"`. What a machine's first exchange sets up is part of it."
      case .httpCalls: "Calls of `tide.http` by policies."
      case .heldBytes:
        "The most text of the answer that filters and units of `segment` kept back at once while the upstream said no more."
      }
    }
  }

  private var limits: [(key: Key, limit: Int)] = []

  init(_ value: LuaValue) throws(TestProblem) {
    let table = try TestTable(value, "budget", allowed: Key.allCases.map(\.rawValue))
    for key in Key.allCases {
      guard let value = table[key.rawValue] else { continue }
      let limit = value.integerValue.map { Int($0) } ?? (key == .memory ? value.text.flatMap(UnitText.byteCount) : nil)
      guard let limit, limit >= 0 else {
        throw table.problem(
          key.rawValue, key == .memory ? "a number of bytes or a size such as '64KiB'" : "a number from 0 on")
      }
      limits.append((key, limit))
    }
    if limits.isEmpty {
      throw TestProblem(
        "budget: expected a table with at least one of \(Key.allCases.map(\.rawValue).joined(separator: ", "))")
    }
  }

  /// - Throws: every limit that the cost exceeds, and which policies make it up.
  func check(_ cost: CaseCost) throws(TestProblem) {
    let problems = limits.compactMap { key, limit -> String? in
      let spent = cost.total(key)
      guard spent > limit else { return nil }
      let shares = cost.shares(key).filter { $0.spent > 0 }.map { "\($0.binding) \($0.spent)" }
      return "budget: \(key.rawValue): at most \(limit), but the case took \(spent)"
        + (shares.count > 1 ? " (\(shares.joined(separator: ", ")))" : "")
    }
    if !problems.isEmpty { throw TestProblem(problems.joined(separator: "\n")) }
  }

  /// For the reference.
  static var markdown: String {
    var lines = [
      "### `t.budget(r, { ... })` in tests", "",
      "Runs the case of `r` again and fails when it costs more than it may. Times are no part of it: tests give each hook "
        + "\(RehearsalServices.cpuFactor) times its",
      "`cpu` (500ms where it is 5ms), at most 1s, so that a slow or busy machine decides nothing. A hook that passes its tests may be",
      "too slow to serve: `instructions` here and `tidegate policy bench` say what it takes.", "", "| Key | At most |",
      "|---|---|",
    ]
    lines += Key.allCases.map { "| `\($0.rawValue)` | \($0.doc) |" }
    return lines.joined(separator: "\n") + "\n"
  }
}

/// What one case has cost.
struct CaseCost {
  /// By binding, in the order in which they are bound.
  var hooks: [(binding: String, cost: LuaCost)] = []
  var httpCalls = 0
  var heldBytes = 0

  func total(_ key: TestBudget.Key) -> Int {
    switch key {
    case .instructions, .memory: shares(key).reduce(0) { $0 + $1.spent }
    case .httpCalls: httpCalls
    case .heldBytes: heldBytes
    }
  }

  func shares(_ key: TestBudget.Key) -> [(binding: String, spent: Int)] {
    switch key {
    case .instructions: hooks.map { ($0.binding, $0.cost.instructions) }
    case .memory: hooks.map { ($0.binding, $0.cost.bytes) }
    case .httpCalls, .heldBytes: []
    }
  }
}

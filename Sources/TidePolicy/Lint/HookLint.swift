import TideCore

/// Follows `ctx`, `cfg` and what tide's functions make through a policy's hooks and the local functions that they call.
///
/// It says only what it is sure of: a value that it loses sight of is never a finding.
struct HookLint {
  /// Statements and expressions looked at in one source; what lies beyond is not followed.
  private static let stepsMax = 200_000
  /// Nested statements, expressions and calls within which calls are followed: the stack has an end.
  private static let depthMax = 120
  /// Mistakes looked into in one source, those that were told before included: each may look for a name near its own.
  private static let mistakesMax = 1_000
  /// Names that are listed of each ability.
  private static let abilityNamesMax = 1_000

  let tree: SyntaxTree
  let manifest: PolicyManifest
  private(set) var findings: Set<LintFinding> = []
  private(set) var abilities = PolicyAbilities()

  /// The hook that is followed; nil at the file's top.
  var hook: HookName?
  private var meanings: [Int: LintMeaning] = [:]
  /// What `on_lane` puts into the table that lane hooks share; nil where two places differ.
  private var state: [String: LintMeaning?] = [:]
  /// Keys that `on_load` adds to `cfg`.
  var derivedKeys: Set<[String]> = []
  /// `on_load` hands `cfg` to code that may add any key.
  private var isConfigOpen = false
  /// Fields that the policy puts into what its hooks are given.
  var ownFields: Set<String> = []
  private var isSilent = false
  /// What is returned is the hook's result as it is, not an operand of `and` or `or`.
  private var isPlainResult = true
  private var mistakes = 0
  var steps = 0
  private var depth = 0

  /// A call that was followed already.
  private struct Followed: Hashable {
    var function: Int
    var meanings: [LintMeaning]
    var isResult: Bool
    var isPlainResult: Bool
  }
  private var followed: Set<Followed> = []

  init(tree: SyntaxTree, manifest: PolicyManifest) {
    self.tree = tree
    self.manifest = manifest
  }

  mutating func run(_ parts: PolicyParts) {
    walk(tree.body, isResult: false)
    abilities = PolicyAbilities()
    for hook in HookName.allCases {
      guard let value = parts[hook.name] else { continue }
      // What on_load adds anywhere is there for all the rest of it.
      isSilent = hook == .onLoad
      if isSilent { enter(value, hook) }
      isSilent = false
      enter(value, hook)
    }
  }

  private mutating func enter(_ value: SyntaxExpression, _ hook: HookName) {
    self.hook = hook
    isPlainResult = true
    followed = []
    switch (hook, value) {
    case (.timers, .table(let timers)):
      for timer in timers {
        guard case .table(let fields) = timer.value else { continue }
        for field in fields where field.name == "run" { call(field.value, hook) }
      }
    default: call(value, hook)
    }
    self.hook = nil
  }

  private mutating func call(_ value: SyntaxExpression, _ hook: HookName) {
    var arguments = hook.parameterTypes.map { name, type -> LintMeaning in
      switch name {
      case "ctx": .context(nil)
      case "cfg": .config([])
      case "s": .state
      default: .value(type)
      }
    }
    let function: Int
    switch value {
    case .function(let literal, _): function = literal
    case .variable(let variable, _):
      guard case .function(let known)? = meanings[variable] else { return }
      function = known
    default:
      _ = evaluate(value)
      return
    }
    // Such a hook is a finding of its own, and what it means by the others is clear.
    if let first = tree.functions[function].parameters.first, tree.variables[first].name == "self" {
      arguments.insert(.unknown, at: 0)
    }
    follow(function, arguments, isResult: true)
  }

  // MARK: Findings

  mutating func find(
    _ rule: LintRule, _ line: Int, _ message: @autoclosure () -> String, _ hint: @autoclosure () -> String
  ) {
    guard !isSilent, mistakes < Self.mistakesMax else { return }
    mistakes += 1
    findings.insert(LintFinding(line: line, rule: rule, message: message(), hint: hint()))
  }

  mutating func note(_ ability: WritableKeyPath<PolicyAbilities, [String]>, _ name: String) {
    guard abilities[keyPath: ability].count < Self.abilityNamesMax, !abilities[keyPath: ability].contains(name) else {
      return
    }
    abilities[keyPath: ability].append(name)
  }

  var mayAddKeys: Bool { hook == .onLoad }
  var knowsConfig: Bool { !isConfigOpen }

  // MARK: Functions

  private mutating func follow(_ function: Int, _ arguments: [LintMeaning], isResult: Bool) {
    guard depth < Self.depthMax, steps < Self.stepsMax else { return }
    let call = Followed(
      function: function, meanings: arguments, isResult: isResult, isPlainResult: isPlainResult)
    guard followed.insert(call).inserted else { return }
    let parameters = tree.functions[function].parameters
    let before = parameters.map { meanings[$0] }
    for (index, parameter) in parameters.enumerated() {
      let isKnown = index < arguments.count && !tree.variables[parameter].isReassigned
      meanings[parameter] = isKnown ? arguments[index] : .unknown
    }
    walk(tree.functions[function].body, isResult: isResult)
    for (parameter, meaning) in zip(parameters, before) { meanings[parameter] = meaning }
  }

  /// A function whose calls are not seen: its body belongs to the hook that makes it.
  private mutating func visit(_ function: Int, _ arguments: [LintMeaning] = [], isResult: Bool = false) {
    if hook != nil { follow(function, arguments, isResult: isResult) }
  }

  /// Of `on_match(s, match, lane)`.
  private static let onMatchArguments: [LintMeaning] = [.unknown, .unknown, .value("tide.Lane")]

  // MARK: Statements

  /// - Parameter isResult: what is returned here is what the hook returns.
  private mutating func walk(_ block: [SyntaxStatement], isResult: Bool) {
    depth += 1
    defer { depth -= 1 }
    for statement in block {
      steps += 1
      guard steps < Self.stepsMax else { return }
      switch statement {
      case .local(let variables, let values): declare(variables, values)
      case .assign(let targets, let values): assign(targets, values)
      case .call(let call): drop(call)
      case .returns(let values, let line): leave(values, line, isResult: isResult)
      case .declare(let target, _, let function):
        _ = evaluate(target, isWritten: true)
        visit(function)
      case .loop(let variables, let values, let body):
        let over = values.map { evaluate($0) }
        for variable in variables { meanings[variable] = .unknown }
        if over.first == .parts, let first = variables.first { meanings[first] = .part }
        if case .copyLoop(let field)? = over.first, variables.count > 1 { meanings[variables[1]] = .copy(field) }
        walk(body, isResult: isResult)
      case .control(let conditions, let blocks):
        for condition in conditions { _ = evaluate(condition) }
        for block in blocks { walk(block, isResult: isResult) }
      }
    }
  }

  private mutating func declare(_ variables: [Int], _ values: [SyntaxExpression]) {
    // A function may call itself.
    if variables.count == 1, case .function(let function, _)? = values.first,
      !tree.variables[variables[0]].isReassigned
    {
      meanings[variables[0]] = .function(function)
    }
    let known = values.map { evaluate($0) }
    for (index, variable) in variables.enumerated() {
      let isKnown = index < known.count && !tree.variables[variable].isReassigned
      meanings[variable] = isKnown ? known[index] : .unknown
    }
  }

  private mutating func assign(_ targets: [SyntaxExpression], _ values: [SyntaxExpression]) {
    let known = values.map { evaluate($0) }
    for (index, target) in targets.enumerated() {
      let meaning = index < known.count ? known[index] : .unknown
      if case .variable(let variable, _) = target {
        if meaning == .part { meanings[variable] = .part } else { escape(meaning) }
      } else {
        _ = evaluate(target, isWritten: true)
        escape(meaning)
      }
    }
  }

  /// A call whose result goes nowhere. Where it names the function, `NameLint` has seen it.
  private mutating func drop(_ call: SyntaxExpression) {
    guard case .verdict(let function) = evaluate(call), case .chain(.variable(_, let line), _) = call,
      let name = function.path
    else { return }
    find(.unused, line, "\(name) does nothing by itself", "write return \(name)")
  }

  private mutating func leave(_ values: [SyntaxExpression], _ line: Int, isResult: Bool) {
    let wasPlain = isPlainResult
    defer { isPlainResult = wasPlain }
    for (index, value) in values.enumerated() {
      let isFirst = index == 0 && isResult
      if case .operation = value { isPlainResult = false }
      if isFirst, isPlainResult, let hook { judge(value, hook, line) }
      if isFirst, hook == .onLane, case .table(let fields) = value { noteState(fields) }
      var operands = [value]
      if case .operation(let list) = value { operands = list }
      for operand in operands {
        let meaning = evaluate(operand, isResult: isFirst)
        escape(meaning)
        guard isFirst, let hook, case .verdict(let function) = meaning else { continue }
        judge(function, hook, Self.line(operand))
      }
    }
  }

  private mutating func judge(_ function: HostFunction, _ hook: HookName, _ line: Int) {
    guard let hooks = function.resultHooks, !hooks.contains(hook), let name = function.path else { return }
    find(
      .verdict, line, "\(hook.name) cannot return \(name)",
      "\(hook.name) returns \(hook.returns.replacing("`", with: "")); \(name) belongs in "
        + hooks.hooks.map(\.name).joined(separator: ", "))
  }

  /// A value that stands there as it is.
  private mutating func judge(_ value: SyntaxExpression, _ hook: HookName, _ line: Int) {
    let type: String
    switch value {
    case .string: type = "string"
    case .table: type = "table"
    case .function: type = "function"
    case .constant(.number): type = "number"
    case .constant(.boolean): type = "boolean"
    default: return
    }
    guard let legal = hook.resultTypes, !legal.contains(type) else { return }
    find(
      .result, line, "\(hook.name) cannot return a \(type)",
      "it returns \(hook.returns.replacing("`", with: ""))")
  }

  private mutating func noteState(_ fields: [SyntaxField]) {
    for field in fields {
      guard let name = field.name else { continue }
      let meaning = evaluate(field.value)
      if let known = state[name], known != meaning { state[name] = .some(nil) } else { state[name] = meaning }
    }
  }

  private static func line(_ expression: SyntaxExpression) -> Int {
    switch expression {
    case .variable(_, let line), .global(_, let line), .function(_, let line): line
    case .chain(let base, _): line(base)
    case .operation(let operands): operands.first.map(line) ?? 0
    case .string, .constant, .table: 0
    }
  }

  /// The value goes where this loses sight of it.
  private mutating func escape(_ meaning: LintMeaning) {
    if hook == .onLoad, case .config(let keys) = meaning, manifest.schema.isGroup(keys) { isConfigOpen = true }
  }

  // MARK: Expressions

  /// - Parameters:
  ///   - isWritten: the expression is the target of an assignment.
  ///   - isResult: the hook returns its value.
  mutating func evaluate(_ expression: SyntaxExpression, isWritten: Bool = false, isResult: Bool = false) -> LintMeaning
  {
    depth += 1
    defer { depth -= 1 }
    steps += 1
    guard steps < Self.stepsMax else { return .unknown }
    switch expression {
    case .variable(let variable, _): return meanings[variable] ?? .unknown
    case .global(let name, _): return .library(name)
    case .string, .constant: return .unknown
    case .function(let function, _):
      visit(function)
      return .function(function)
    case .table(let fields):
      for field in fields {
        if let key = field.key { _ = evaluate(key) }
        if field.name == "on_match", hook == .filters, case .function(let function, _) = field.value {
          visit(function, Self.onMatchArguments, isResult: true)
        } else {
          escape(evaluate(field.value))
        }
      }
      return .unknown
    case .operation(let operands):
      for operand in operands { _ = evaluate(operand) }
      return .unknown
    case .chain(let base, let suffixes): return chain(base, suffixes, isWritten: isWritten, isResult: isResult)
    }
  }

  private mutating func chain(
    _ base: SyntaxExpression, _ suffixes: [SyntaxSuffix], isWritten: Bool, isResult: Bool
  ) -> LintMeaning {
    var meaning = evaluate(base)
    for (index, suffix) in suffixes.enumerated() {
      let isLast = index == suffixes.count - 1
      switch suffix {
      case .member(let name, let line):
        meaning = member(meaning, name, line, isWritten: isWritten && isLast)
      case .method(let name, let line): meaning = method(meaning, name, line)
      case .index(let index):
        _ = evaluate(index)
        if isWritten, isLast { escape(meaning) }
        if case .copy(let field) = meaning {
          if isWritten, isLast { writeCopy(field, Self.line(base)) }
        } else {
          meaning = .unknown
        }
      case .call(let arguments, let line):
        meaning = call(meaning, arguments, line, isResult: isResult && isLast)
      }
    }
    return meaning
  }

  private mutating func call(
    _ callee: LintMeaning, _ arguments: [SyntaxExpression], _ line: Int, isResult: Bool
  ) -> LintMeaning {
    let known = arguments.map { evaluate($0) }
    switch callee {
    case .parts: return .parts
    case .function(let function):
      if hook != nil { follow(function, known, isResult: isResult) }
      return .unknown
    case .library(let path):
      known.forEach { escape($0) }
      if path == "ipairs" || path == "pairs", case .copy(let field)? = known.first { return .copyLoop(field) }
      if path == "ctx:log" { judge(.contextLog, path, arguments, line) }
      guard let function = HostFunction.named(path) else { return .unknown }
      judge(function, path, arguments, line)
      noteCall(function, path, arguments)
      return function.resultHooks == nil ? .unknown : .verdict(function)
    default:
      known.forEach { escape($0) }
      return .unknown
    }
  }

  /// What a policy can do shows in what it calls.
  private mutating func noteCall(_ function: HostFunction, _ path: String, _ arguments: [SyntaxExpression]) {
    if path.hasPrefix("tide.filter.") { note(\.filters, String(path.dropFirst("tide.filter.".count))) }
    guard function == .http, case .table(let fields)? = arguments.first else { return }
    for field in fields where field.name == "cluster" {
      if case .string(let name) = field.value {
        note(\.clusters, name)
      } else if case .config(let keys) = evaluate(field.value) {
        note(\.clusters, (["config"] + keys).joined(separator: "."))
      } else {
        note(\.clusters, "one that it names as it runs")
      }
    }
  }

  private mutating func member(
    _ meaning: LintMeaning, _ name: String, _ line: Int, isWritten: Bool
  ) -> LintMeaning {
    switch meaning {
    case .context(let group): return field(group, name, line, isWritten ? .write : .read)
    case .config(let keys): return configKey(keys + [name], line, isWritten: isWritten)
    case .state: return isWritten ? .unknown : (state[name] ?? nil) ?? .unknown
    case .value(let type):
      valueField(type, name, line, isWritten: isWritten)
      return .unknown
    case .copy(let field):
      if isWritten { writeCopy(field, line) }
      return meaning
    case .part:
      if isWritten { write(.promptEachText, as: .promptReplace, line) }
      return .unknown
    case .library(let path):
      // Nothing of the sandbox has so long a name.
      guard path.utf8.count < 256 else { return .unknown }
      let whole = path + "." + name
      if let function = HostFunction.named(whole) { wait(function, whole, line) }
      return .library(whole)
    default: return .unknown
    }
  }

  private mutating func method(_ meaning: LintMeaning, _ name: String, _ line: Int) -> LintMeaning {
    guard case .context(let group) = meaning else { return .unknown }
    return field(group, name, line, .call)
  }

  private mutating func wait(_ function: HostFunction, _ path: String, _ line: Int) {
    guard let hook, function.isWaiting || function.options.contains(.coroutineOnly), !manifest.mayWait(hook) else {
      return
    }
    let places =
      HookName.allCases.filter(\.mayWait).map(\.name).joined(separator: ", ") + ", and for on_segment with wait = true"
    find(
      .wait, line, "\(path) waits, which \(hook.name) cannot",
      hook == .onSegment ? "say segment = { ..., wait = true }" : "it is for \(places)")
  }
}

import TideCore
import TideLua
import TidePolicy

/// What a test file may call: `tide.test`, and `t` inside a test.
///
/// Functions that need the gateway to run suspend their test: they leave an operation behind, which the runner performs while no Lua
/// stands on the stack, so that policies run under their own budgets.
final class PolicyTestHost: LuaHost {
  enum Kind: UInt16 { case gateway = 1, result }

  enum Function: Int32, CaseIterable {
    case test, bench, gateway, eq, ok, matches, raises, advance, reload, concurrent, invariant, budget, log, chat

    /// Where it stands; `chat` is a method of a gateway.
    var path: String? {
      switch self {
      case .test: "tide.test"
      case .bench: "tide.bench"
      case .chat: nil
      default: "tide.t.\(self)"
      }
    }

    var options: LuaFunctionOptions {
      switch self {
      case .test, .bench: .takesFunctions
      case .raises, .concurrent, .chat: [.takesFunctions, .coroutineOnly]
      case .matches, .advance, .reload, .invariant, .budget, .gateway: .coroutineOnly
      case .eq, .ok, .log: []
      }
    }
  }

  /// What a test waits for.
  enum Operation {
    case gateway(LuaValue)
    case chat(TestGateway, LuaValue)
    case matches(text: LuaArgument, pattern: LuaArgument, message: String)
    case raises(LuaFunction, pattern: String?)
    case advance(ms: Int)
    case reload(name: String, source: String)
    case concurrent(count: Int, LuaFunction)
    case invariant(TestResult, InvariantOptions)
    case budget(TestResult, TestBudget)
  }

  /// A `tide.test` of the file.
  struct Declared {
    var name: String
    var function: LuaFunction
  }

  private let source: PolicySource?
  private(set) var declared: [Declared] = []
  /// The file's `tide.bench`.
  private(set) var bench: LuaValue?
  /// The last message that was raised, whole: the machine keeps only the beginning of a long one.
  private(set) var raised = ""
  /// What came along with it.
  private(set) var evidence: CaseEvidence?
  /// Left behind by the function that suspended a test.
  var operation: Operation?
  private var gateways = LuaHandleTable<TestGateway>(kind: Kind.gateway.rawValue)
  private var results = LuaHandleTable<TestResult>(kind: Kind.result.rawValue)
  /// What `print` and `t.log` said since the last look.
  private(set) var printed: [String] = []
  private var isDeclaring = true

  /// - Parameter source: the policy beside the test, whose `lib` its tests may require.
  init(source: PolicySource?) { self.source = source }

  func install(on machine: LuaMachine) throws(LuaFailure) {
    for function in Function.allCases {
      if let path = function.path { try machine.register(path: path, id: function.rawValue, options: function.options) }
    }
    try machine.registerKind(Kind.gateway.rawValue, name: "gateway")
    try machine.registerMethod(
      kind: Kind.gateway.rawValue, name: "chat", id: Function.chat.rawValue, options: Function.chat.options)
    try machine.registerKind(Kind.result.rawValue, name: "result")
    try machine.registerFields(kind: Kind.result.rawValue, names: TestResult.Field.allCases.map(\.rawValue))
  }

  /// The file has run: what it declares is known.
  func declarationsEnd() { isDeclaring = false }

  /// Forgets what belongs to one test.
  func testEnds() {
    gateways = LuaHandleTable(kind: Kind.gateway.rawValue)
    results = LuaHandleTable(kind: Kind.result.rawValue)
    operation = nil
  }

  /// Keeps what is about to be raised in the test.
  func keep(_ problem: TestProblem) {
    raised = problem.message
    evidence = problem.evidence
  }

  func takePrinted() -> [String] {
    defer { printed = [] }
    return printed
  }

  func handle(_ gateway: TestGateway) -> LuaHandle { gateways.insert(gateway) }
  func handle(_ result: TestResult) -> LuaHandle { results.insert(result) }

  // MARK: What Lua asks

  override func call(_ id: Int32, arguments: LuaArguments, results: inout LuaResults) -> HostCallStatus {
    guard let function = Function(rawValue: id) else { return .raise("this function is not available here") }
    do throws(TestProblem) {
      return try run(function, arguments)
    } catch {
      keep(error)
      return .raise(error.message)
    }
  }

  private func run(_ function: Function, _ arguments: LuaArguments) throws(TestProblem) -> HostCallStatus {
    switch function {
    case .test: return try declare(arguments)
    case .bench:
      guard isDeclaring, bench == nil else { throw TestProblem("tide.bench: once in a file, outside of tests") }
      bench = arguments[0].value
    case .eq: try equal(arguments)
    case .ok:
      let value = arguments[0].value
      if value.isNil || value.booleanValue == false {
        throw TestProblem(arguments[1].text ?? "expected something true, but came \(LuaDifference.shown(value))")
      }
    case .log:
      printed.append((0..<arguments.count).map { LuaDifference.shown(arguments[$0].value) }.joined(separator: " "))
    case .gateway: return wait(.gateway(arguments[0].value))
    case .chat:
      guard let gateway = arguments[0].object.flatMap({ gateways[$0] }) else { return .stale }
      return wait(.chat(gateway, arguments[1].value))
    case .matches:
      guard arguments[0].text != nil, let pattern = arguments[1].text else {
        throw TestProblem(
          "matches: expected a string and a pattern, but came \(LuaDifference.shown(arguments[0].value))")
      }
      return wait(
        .matches(
          text: .value(arguments[0].value), pattern: .value(arguments[1].value),
          message:
            "expected something that matches \"\(pattern)\"\n  but came \(LuaDifference.shown(arguments[0].value))"))
    case .raises:
      guard let body = arguments[0].function else { throw TestProblem("raises: expected a function") }
      return wait(.raises(body, pattern: arguments[1].text))
    case .advance:
      guard let ms = TestTable.milliseconds(arguments[0].value), ms >= 0 else {
        throw TestProblem("advance: expected a time such as '10s', but came \(LuaDifference.shown(arguments[0].value))")
      }
      return wait(.advance(ms: ms))
    case .reload:
      guard let name = arguments[0].text, let source = arguments[1].text else {
        throw TestProblem("reload: expected a policy's name and its new source")
      }
      return wait(.reload(name: name, source: source))
    case .concurrent:
      guard let count = arguments[0].integer, (1...1000).contains(count), let body = arguments[1].function else {
        throw TestProblem("concurrent: expected a number up to 1000 and a function")
      }
      return wait(.concurrent(count: Int(count), body))
    case .invariant: return wait(.invariant(try result(function, arguments), try InvariantOptions(arguments[1].value)))
    case .budget: return wait(.budget(try result(function, arguments), try TestBudget(arguments[1].value)))
    }
    return .ok
  }

  private func result(_ function: Function, _ arguments: LuaArguments) throws(TestProblem) -> TestResult {
    guard let result = arguments[0].object.flatMap({ results[$0] }) else {
      throw TestProblem("\(function): expected the result of a chat of this test")
    }
    return result
  }

  private func wait(_ operation: Operation) -> HostCallStatus {
    self.operation = operation
    return .yield
  }

  private func declare(_ arguments: LuaArguments) throws(TestProblem) -> HostCallStatus {
    guard isDeclaring else { throw TestProblem("a test cannot be declared inside another") }
    guard let name = arguments[0].text, let function = arguments[1].function else {
      throw TestProblem("tide.test: expected a name and a function")
    }
    guard !declared.contains(where: { $0.name == name }) else { throw TestProblem("two tests are named '\(name)'") }
    declared.append(Declared(name: name, function: function))
    return .ok
  }

  private func equal(_ arguments: LuaArguments) throws(TestProblem) {
    guard let difference = LuaDifference.between(arguments[0].value, arguments[1].value) else { return }
    throw TestProblem((arguments[2].text.map { $0 + "\n  " } ?? "") + difference)
  }

  override func get(_ object: LuaHandle, field: Int32, results: inout LuaResults) -> HostCallStatus {
    guard let result = self.results[object] else { return .stale }
    let value = result.value(TestResult.Field.allCases[Int(field)])
    if !value.isNil { results.append(value) }
    return .ok
  }

  override func unknownField(_ name: String, of object: LuaHandle, isWrite: Bool) -> String {
    if isWrite { return "what came of a chat is read-only" }
    let names = object.kind == Kind.gateway.rawValue ? ["chat"] : TestResult.Field.allCases.map(\.rawValue)
    let hint = nearestName(to: name, among: names).map { "did you mean '\($0)'?" }
    return "unknown field '\(name)' (\(hint ?? "known: " + names.joined(separator: ", ")))"
  }

  override func module(named name: String, environment: Int32) -> Result<LuaModule, LuaModuleMissing> {
    guard let module = source?.modules[name] else {
      return .failure(LuaModuleMissing("there is no module \(name) in the lib folder of the policy that is tested"))
    }
    return .success(LuaModule(source: module.text, chunkName: module.path))
  }

  override func print(_ text: UnsafeRawBufferPointer) { printed.append(String(decoding: text, as: UTF8.self)) }
}

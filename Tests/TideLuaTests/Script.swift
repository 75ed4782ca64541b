import TideLua

/// A machine with one environment, for tests that run a few lines of Lua.
final class Script {
  let host: RecordingHost
  let machine: LuaMachine
  let environment: LuaEnvironment

  init(_ options: LuaMachineOptions = LuaMachineOptions(), host: RecordingHost = RecordingHost()) throws {
    self.host = host
    machine = try LuaMachine(options: options, host: host)
    try host.install(in: machine)
    environment = try machine.makeEnvironment(id: 7)
  }

  func run(_ source: String, budgetNs: UInt64 = 500_000_000) -> Result<LuaValue, LuaFailure> {
    machine.load(source: Array(source.utf8), chunkName: "test.lua", environment: environment, budgetNs: budgetNs)
  }

  /// The value of an expression.
  func value(_ expression: String) throws -> LuaValue { try run("return " + expression).get() }

  /// What a chunk fails with; nil when it does not.
  func failure(_ source: String, budgetNs: UInt64 = 500_000_000) -> LuaFailure? {
    if case .failure(let failure) = run(source, budgetNs: budgetNs) { return failure }
    return nil
  }

  func function(_ source: String) throws -> LuaFunction {
    guard case .function(let function) = try run("return " + source).get() else {
      throw LuaFailure(kind: .error, message: "no function")
    }
    return function
  }
}

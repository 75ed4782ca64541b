import CLuaShim

/// Whether a hook may wait.
public enum LuaCallMode: Sendable {
  /// On the main thread of the state; functions that may wait raise.
  case sync
  /// On a pooled coroutine.
  case coroutine
}

/// Loading and calling.
extension LuaMachine {
  /// A new strict `_ENV`. `id` is what `require` inside it asks the host with.
  public func makeEnvironment(id: Int32 = 0) throws(LuaFailure) -> LuaEnvironment {
    var reference: Int32 = -1
    try check(tide_environment_new(raw, id, &reference))
    return LuaEnvironment(id: id, reference: LuaRef(index: reference))
  }

  /// Runs a source file and returns its first result; functions in it are kept until they are released.
  ///
  /// - Parameters:
  ///   - source: text; byte code is refused.
  ///   - chunkName: what errors call it: its path.
  ///   - budgetNs: CPU time for running the file's top level.
  public func load(
    source: [UInt8], chunkName: String, environment: LuaEnvironment, budgetNs: UInt64 = 100_000_000
  ) -> Result<LuaValue, LuaFailure> {
    let status = source.withUnsafeBytes {
      tide_load(raw, $0.baseAddress, $0.count, chunkName, environment.reference.index, budgetNs)
    }
    return TideStatus(UInt32(status)) == TIDE_OK ? .success(result()) : .failure(failure(status))
  }

  /// Calls a function under a budget of CPU time. The forced abort comes at no less than 2 ms; what is shorter is for
  /// the caller to compare with `lastCallNs`.
  ///
  /// - Parameter keepsFunctions: functions in the result are kept until they are released.
  public func call(
    _ function: LuaFunction, arguments: [LuaArgument] = [], budgetNs: UInt64, mode: LuaCallMode = .sync,
    keepsFunctions: Bool = false
  ) -> LuaOutcome {
    put(arguments)
    var token: UInt64 = 0
    let flags = keepsFunctions ? UInt32(TIDE_KEEP_FUNCTIONS) : 0
    let status = tide_call(raw, function.reference.index, mode == .coroutine, flags, budgetNs, &token)
    return outcome(status, token)
  }

  /// Goes on with a coroutine that yielded; `arguments` are what its host function returns.
  public func resume(_ token: LuaToken, arguments: [LuaArgument] = [], budgetNs: UInt64) -> LuaOutcome {
    put(arguments)
    var next: UInt64 = 0
    return outcome(tide_resume(raw, token.raw, budgetNs, &next), next)
  }

  /// Goes on with a coroutine that yielded by an error: its host function raises `message`, the caller's position before it.
  public func resume(_ token: LuaToken, raising message: String, budgetNs: UInt64) -> LuaOutcome {
    put([.value(.text(message))])
    var next: UInt64 = 0
    return outcome(tide_resume_raising(raw, token.raw, budgetNs, &next), next)
  }

  /// Ends a coroutine that yielded and gives its thread back to the pool.
  public func cancel(_ token: LuaToken) { tide_cancel(raw, token.raw) }

  private func put(_ arguments: [LuaArgument]) {
    let encoder = LuaEncoder(buffer: emptyArguments())
    for argument in arguments { encoder.put(argument) }
  }

  private func outcome(_ status: Int32, _ token: UInt64) -> LuaOutcome {
    switch TideStatus(UInt32(status)) {
    case TIDE_OK: .returned(result())
    case TIDE_YIELDED: .yielded(LuaToken(raw: token))
    default: .failed(failure(status))
    }
  }
}

import CLuaShim

/// One sandboxed Lua state, of one worker and one generation of policies.
///
/// Owned by one thread at a time: it may be built on another thread than the one that runs it, never used by two at once. A machine
/// that aborted is poisoned: its owner lets running streams end as `failure` says, throws it away and builds a new one.
public final class LuaMachine {
  let raw: OpaquePointer
  let host: LuaHost
  /// Kept for as long as the machine writes in it.
  private let lines: LuaLineRecord?

  /// Makes a state with the sandbox in place and nothing registered.
  ///
  /// - Throws: `LuaFailure` of kind `memoryAbort` when the limits leave no room for the libraries.
  public init(options: LuaMachineOptions = LuaMachineOptions(), host: LuaHost) throws(LuaFailure) {
    var settings = tide_options(
      memory_soft: options.memorySoftLimit, memory_hard: options.memoryHardLimit,
      block_limit: options.singleBlockLimit, random_seed: options.randomSeed,
      step_limit: options.patternStepLimit, counted: options.mode == .counted)
    guard let raw = tide_machine_new(&settings, luaHostDispatch) else {
      throw LuaFailure(kind: .memoryAbort, message: "not enough memory for a Lua state")
    }
    self.raw = raw
    self.host = host
    lines = options.observation?.lines
    if let observation = options.observation { tide_machine_observe(raw, observation.isMeasured, lines?.raw) }
    tide_machine_set_context(raw, Unmanaged.passUnretained(self).toOpaque())
    host.machineBegins(self)
  }

  deinit {
    host.machineEnds(self)
    tide_machine_free(raw)
  }

  /// Whether an abort left the state in doubt.
  public var isPoisoned: Bool { tide_machine_poisoned(raw) }
  /// Bytes that the state holds, garbage included.
  public var byteCount: Int { tide_machine_bytes(raw) }
  /// Bytes allocated since the last full collection: collect when it grows past a good part of the limit.
  public var collectionDebt: Int { tide_machine_debt(raw) }
  /// How many reference slots were ever needed at once.
  public var referenceCapacity: Int { Int(tide_machine_reference_capacity(raw)) }
  /// Whether the call that runs is over its budget: a host function that takes long asks now and then, and returns.
  public var isStopping: Bool { tide_machine_stopping(raw) }
  /// What its calls have cost so far; only of a machine that is measured.
  public var cost: LuaCost {
    let cost = tide_machine_cost(raw)!.pointee
    return LuaCost(instructions: Int(clamping: cost.instructions), bytes: Int(clamping: cost.bytes))
  }
  /// How long the last call took that was timed, or the last call for text that failed; see `LuaFailure.elapsedNs`.
  public var lastCallNs: UInt64 { tide_machine_elapsed_ns(raw) }

  /// Starts `math.random` anew: the same seed gives the same numbers.
  public func seedRandom(_ seed: UInt64) { tide_machine_seed(raw, seed) }
  /// The time that `os.time`, `os.date` and `os.clock` tell, in nanoseconds since 1970; 0 goes back to the system's.
  public func setClock(nanoseconds: UInt64) { tide_machine_set_clock(raw, nanoseconds) }
  /// Changes the memory limits, as when bindings come and go.
  public func setMemoryLimits(soft: Int, hard: Int) { tide_machine_set_memory(raw, soft, hard) }

  /// Collects garbage in small steps for about `budgetNs`. True when a cycle came to its end. Hooks never collect: the
  /// worker calls this when it is idle or `collectionDebt` is large.
  @discardableResult
  public func step(budgetNs: UInt64) -> Bool { tide_machine_step(raw, budgetNs) }

  /// Collects all garbage at once: for load time.
  public func collect() { tide_machine_collect(raw) }

  /// The failure that the shim noted, as a value.
  func failure(_ status: Int32) -> LuaFailure {
    let kind: LuaFailure.Kind =
      switch TideStatus(UInt32(status)) {
      case TIDE_ABORT_TIME: .timeAbort
      case TIDE_ABORT_MEMORY: .memoryAbort
      case TIDE_ABORT_STEPS: .stepLimit
      default: .error
      }
    let noted = tide_machine_failure(raw)!
    return LuaFailure(
      kind: kind, message: text(tide_failure_message(noted)), file: text(tide_failure_file(noted)),
      line: Int(noted.pointee.line), traceback: text(tide_failure_traceback(noted)), elapsedNs: lastCallNs)
  }

  private func text(_ pointer: UnsafePointer<CChar>) -> String { String(cString: pointer) }

  func check(_ status: Int32) throws(LuaFailure) {
    if TideStatus(UInt32(status)) != TIDE_OK { throw failure(status) }
  }

  /// Empties the argument buffer and returns it.
  func emptyArguments() -> UnsafeMutablePointer<tide_buffer> {
    let buffer = tide_machine_arguments(raw)!
    buffer.pointee.length = 0
    buffer.pointee.count = 0
    buffer.pointee.failed = false
    return buffer
  }

  /// The value in the result buffer.
  func result() -> LuaValue {
    let buffer = tide_machine_result(raw)!.pointee
    guard buffer.length > 0 else { return .nilValue }
    var decoder = LuaDecoder(UnsafeRawBufferPointer(start: buffer.base, count: buffer.length))
    return decoder.value()
  }
}

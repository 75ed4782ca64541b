import CLuaShim

/// Values that stay in the machine between calls: `s`, `ctx.vars`, `ctx`, `cfg`.
extension LuaMachine {
  /// Holds a copy of a value.
  public func reference(_ value: LuaValue) throws(LuaFailure) -> LuaRef { try hold(.value(value), in: -1) }

  /// Holds one userdata for a host object, to be passed to many calls.
  public func reference(object: LuaHandle) throws(LuaFailure) -> LuaRef { try hold(.object(object), in: -1) }

  /// Holds a new empty table.
  public func referenceTable() throws(LuaFailure) -> LuaRef { try hold(.value(.array([])), in: -1) }

  /// Where a held table stands in memory: to be fetched into the cache before a call, not read. nil for what is no object.
  public func address(of reference: LuaRef) -> UnsafeRawPointer? { tide_reference_address(raw, reference.index) }

  /// Puts another value in a slot that is held.
  public func set(_ reference: LuaRef, to argument: LuaArgument) throws(LuaFailure) {
    _ = try hold(argument, in: reference.index)
  }

  /// Calls a function and holds its first result instead of copying it out: `on_lane`'s `s`. Nil results hold nothing.
  ///
  /// - Returns: the reference and the type of the value, nil for a nil result.
  public func callHolding(
    _ function: LuaFunction, arguments: [LuaArgument], budgetNs: UInt64
  ) -> Result<(reference: LuaRef, typeName: String)?, LuaFailure> {
    let encoder = LuaEncoder(buffer: emptyArguments())
    for argument in arguments { encoder.put(argument) }
    var reference: Int32 = -1
    var type: UInt16 = 0
    let status = tide_call_holding(raw, function.reference.index, budgetNs, &reference, &type)
    guard TideStatus(UInt32(status)) == TIDE_OK else { return .failure(failure(status)) }
    guard reference >= 0 else { return .success(nil) }
    return .success((LuaRef(index: reference), String(cString: tide_type_name(type))))
  }

  /// A copy of what is held.
  public func value(of reference: LuaRef, keepsFunctions: Bool = false) throws(LuaFailure) -> LuaValue {
    try check(tide_reference_get(raw, reference.index, keepsFunctions ? UInt32(TIDE_KEEP_FUNCTIONS) : 0))
    return result()
  }

  /// Gives the slot back. The reference must not be used again.
  public func release(_ reference: LuaRef) { tide_reference_release(raw, reference.index) }

  public func release(_ function: LuaFunction) { release(function.reference) }

  /// The line on which a function of the chunk `name` begins; 0 when another chunk made it. Between calls only.
  public func line(of function: LuaFunction, chunkName name: String) -> Int {
    Int(name.withCString { tide_function_line(raw, function.reference.index, $0) })
  }

  /// Releases every function inside a value that a load or host call brought.
  public func releaseFunctions(in value: LuaValue) {
    switch value {
    case .function(let function): release(function)
    case .array(let values): for value in values { releaseFunctions(in: value) }
    case .map(let entries): for entry in entries { releaseFunctions(in: entry.value) }
    default: break
    }
  }

  /// Holds a read-only copy of a value: writes raise "<name> is read-only"; `pairs`, `ipairs`, `next` and `#` work.
  public func makeReadOnly(_ value: LuaValue, name: String = "cfg") throws(LuaFailure) -> LuaRef {
    let held = try reference(value)
    do { try freeze(held, name: name) } catch {
      release(held)
      throw error
    }
    return held
  }

  /// Makes the table in a slot read-only from now on, with all tables below it.
  public func freeze(_ reference: LuaRef, name: String = "cfg") throws(LuaFailure) {
    try check(tide_reference_freeze(raw, reference.index, name))
  }

  private func hold(_ argument: LuaArgument, in slot: Int32) throws(LuaFailure) -> LuaRef {
    LuaEncoder(buffer: emptyArguments()).put(argument)
    var reference = slot
    try check(tide_reference_set(raw, &reference))
    return LuaRef(index: reference)
  }
}

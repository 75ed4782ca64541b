import CLuaShim

/// How a host function may be called.
public struct LuaFunctionOptions: OptionSet, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// It may wait, so it raises in a sync hook.
  public static let coroutineOnly = LuaFunctionOptions(rawValue: UInt32(TIDE_COROUTINE_ONLY))
  /// Functions among its arguments, in tables too, arrive as `LuaFunction`, to be released by the host.
  public static let takesFunctions = LuaFunctionOptions(rawValue: UInt32(TIDE_KEEP_FUNCTIONS))
}

/// What Lua code sees of the host. Register before the first load.
extension LuaMachine {
  /// Makes a host function known as a global (`print_it`) or in a library (`tide.limit.take`).
  public func register(path: String, id: Int32, options: LuaFunctionOptions = []) throws(LuaFailure) {
    try check(tide_register_function(raw, path, id, options.rawValue))
  }

  public func register(path: String, id: Int32, coroutineOnly: Bool) throws(LuaFailure) {
    try register(path: path, id: id, options: coroutineOnly ? .coroutineOnly : [])
  }

  /// Makes a constant known, such as `tide.version`.
  public func register(path: String, value: LuaValue) throws(LuaFailure) {
    LuaEncoder(buffer: emptyArguments()).put(.value(value))
    try check(tide_register_value(raw, path))
  }

  /// Makes a kind of host object known. `name` is what messages and `tostring` call it.
  ///
  /// - Parameter hasDynamicKeys: a key that is no registered field or method is asked of the host instead of raising.
  public func registerKind(_ kind: UInt16, name: String, hasDynamicKeys: Bool = false) throws(LuaFailure) {
    try check(tide_register_kind(raw, kind, name, hasDynamicKeys))
  }

  /// Gives a kind its fields: `host.get` and `host.set` are asked with the number.
  public func registerFields(kind: UInt16, _ fields: [(name: String, id: Int32)]) throws(LuaFailure) {
    for field in fields { try check(tide_register_field(raw, kind, field.name, field.id)) }
  }

  /// Gives a kind its fields, numbered from 0 in the order given.
  public func registerFields(kind: UInt16, names: [String]) throws(LuaFailure) {
    try registerFields(kind: kind, names.enumerated().map { ($0.element, Int32(truncatingIfNeeded: $0.offset)) })
  }

  /// Gives a kind a method, called with a colon: host function `id` gets the object as argument 0.
  public func registerMethod(
    kind: UInt16, name: String, id: Int32, options: LuaFunctionOptions = []
  ) throws(LuaFailure) {
    try check(tide_register_method(raw, kind, name, id, options.rawValue))
  }

  /// Makes copies with this number known, for `LuaResults.append(_:copyOf:)`.
  ///
  /// - Parameter refusal: what writing to one raises; it should say what to do instead.
  public func registerCopy(id: Int32, refusal: String) throws(LuaFailure) {
    try check(tide_register_copy(raw, id, refusal))
  }
}

/// What a machine asks of the program around it. Subclass it; every method is called on the machine's thread, from inside a
/// Lua call, and must return promptly: what is to be raised is said by the status.
open class LuaHost {
  /// The machine that asks, for host functions that call back or take long. The last one made with this host.
  public var machine: LuaMachine? { current?.takeUnretainedValue() }
  /// The machine keeps its host and takes itself out when it goes. A weak reference would make each retain of a machine slow, and
  /// every token retains one.
  private var current: Unmanaged<LuaMachine>?

  public init() {}

  func machineBegins(_ machine: LuaMachine) { current = Unmanaged.passUnretained(machine) }

  func machineEnds(_ machine: LuaMachine) {
    if current?.toOpaque() == Unmanaged.passUnretained(machine).toOpaque() { current = nil }
  }

  /// Runs the host function registered under `id`. For a method, argument 0 is the object.
  open func call(_ id: Int32, arguments: LuaArguments, results: inout LuaResults) -> HostCallStatus {
    .raise("this function is not available here")
  }

  /// Reads a registered field of an object: append exactly one value, or none for nil.
  open func get(_ object: LuaHandle, field: Int32, results: inout LuaResults) -> HostCallStatus { .ok }

  /// Writes a registered field of an object.
  open func set(_ object: LuaHandle, field: Int32, value: LuaArgumentView) -> HostCallStatus {
    .raise("this field is read-only")
  }

  /// Reads a key of an object whose kind has dynamic keys, such as a header list.
  open func get(_ object: LuaHandle, key: LuaArgumentView, results: inout LuaResults) -> HostCallStatus { .ok }

  /// Writes a key of an object whose kind has dynamic keys.
  open func set(_ object: LuaHandle, key: LuaArgumentView, value: LuaArgumentView) -> HostCallStatus {
    .raise("this table is read-only")
  }

  /// The entry after `key` for `pairs(object)`: append key and value, or nothing at the end. `key` is nil at first.
  open func next(_ object: LuaHandle, after key: LuaArgumentView, results: inout LuaResults) -> HostCallStatus { .ok }

  /// What `#object` is.
  open func length(of object: LuaHandle, results: inout LuaResults) -> HostCallStatus {
    .raise("this object has no length")
  }

  /// The message for a name that the kind does not have; name the nearest one.
  open func unknownField(_ name: String, of object: LuaHandle, isWrite: Bool) -> String { "unknown field '\(name)'" }

  /// The source of `require(name)` in an environment, or why there is none.
  open func module(named name: String, environment: Int32) -> Result<LuaModule, LuaModuleMissing> {
    .failure(LuaModuleMissing("module '\(name)' not found"))
  }

  /// What `print` was given, joined with tabs.
  open func print(_ text: UnsafeRawBufferPointer) {}
}

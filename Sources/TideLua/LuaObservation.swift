/// What a machine notes about the code that it runs. For tests alone: each costs time at every instruction or line.
public struct LuaObservation: Sendable {
  /// Whether `LuaMachine.cost` counts.
  public var isMeasured: Bool
  /// Gets the lines that run.
  public var lines: LuaLineRecord?

  public init(isMeasured: Bool = false, lines: LuaLineRecord? = nil) {
    self.isMeasured = isMeasured
    self.lines = lines
  }
}

/// What calls into a machine have cost, in figures that are the same each time.
public struct LuaCost: Sendable, Equatable {
  /// Of Lua's virtual machine; what a host function or a pattern does inside is none.
  public var instructions: Int
  /// By which calls left the machine larger. Garbage counts, since nothing is collected inside a call.
  public var bytes: Int

  public init(instructions: Int = 0, bytes: Int = 0) {
    self.instructions = instructions
    self.bytes = bytes
  }
}

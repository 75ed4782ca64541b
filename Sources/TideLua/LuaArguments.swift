import CLuaShim

/// The arguments of a host call. Valid until the host returns.
public struct LuaArguments {
  let base: UnsafePointer<tide_value>?
  public let count: Int

  /// The argument at `index` from 0; one that was not passed is nil.
  public subscript(index: Int) -> LuaArgumentView {
    guard let base, index >= 0, index < count else { return LuaArgumentView(raw: Self.absent) }
    return LuaArgumentView(raw: base + index)
  }

  /// Written once at start, only read afterwards.
  nonisolated(unsafe) private static let absent: UnsafePointer<tide_value> = {
    let value = UnsafeMutablePointer<tide_value>.allocate(capacity: 1)
    value.initialize(to: tide_value())
    return UnsafePointer(value)
  }()
}

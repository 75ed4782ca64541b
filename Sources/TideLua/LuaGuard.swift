import CLuaShim

/// The watchdog's view of a thread. A machine registers the thread that calls it by itself; a worker does it early, so that the
/// first hook does not pay for it.
public enum LuaGuard {
  /// Makes the calling thread known to the watchdog. False when the system refuses a thread or a signal handler.
  @discardableResult
  public static func registerThread() -> Bool { tide_guard_register_thread() }

  /// Whether the watchdog is ticking; it parks when no hook has run for a while.
  public static var isWatchdogAwake: Bool { tide_guard_watchdog_awake() }
}

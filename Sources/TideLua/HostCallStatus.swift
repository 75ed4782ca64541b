/// What a host function tells the Lua code that called it.
public enum HostCallStatus {
  /// The results are what was appended.
  case ok
  /// Raises in Lua, once Swift has returned; the caller's position is put before the message.
  case raise(String)
  /// Returns `nil, {code, message, retry_after}`; `retryAfter` in seconds.
  case returnsNilError(code: String, message: String, retryAfter: Double? = nil)
  /// The object's owner is gone: raises "<kind> used after its exchange ended".
  case stale
  /// Suspends the coroutine; the call ends as `.yielded`. Only from functions registered as `coroutineOnly`.
  case yield
}

import TideLua

/// One coroutine that waits: the hook's own, or one that `tide.all` or `tide.once` started for it.
final class HookCoroutine {
  unowned let wait: HookWait
  /// How many `tide.all` and `tide.once` stand around it.
  let depth: Int
  /// What is done with its end.
  let finish: (LuaOutcome) -> Void
  var token: LuaToken?
  /// Ends what it waits for, without an answer.
  var giveUp: (() -> Void)?

  init(_ wait: HookWait, depth: Int, finish: @escaping (LuaOutcome) -> Void) {
    self.wait = wait
    self.depth = depth
    self.finish = finish
  }
}

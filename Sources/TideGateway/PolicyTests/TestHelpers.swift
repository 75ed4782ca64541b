import TideLua

/// What a test file's machine runs for its runner: the few things that only Lua can do.
struct TestHelpers {
  private static let source = """
    local t = tide.t
    return {
      run = function(f) return f(t) end,
      call = function(f, ...) return f(...) end,
      find = function(text, pattern) return (text:find(pattern)) ~= nil end,
    }
    """

  let run: LuaFunction
  let call: LuaFunction
  let find: LuaFunction

  init(_ machine: LuaMachine, _ environment: LuaEnvironment) throws(LuaFailure) {
    let table = try machine.load(
      source: Array(Self.source.utf8), chunkName: "tide.t", environment: environment
    ).get()
    guard case .function(let run)? = table["run"], case .function(let call)? = table["call"],
      case .function(let find)? = table["find"]
    else { throw LuaFailure(kind: .error, message: "the helpers of tests did not load") }
    (self.run, self.call, self.find) = (run, call, find)
  }
}

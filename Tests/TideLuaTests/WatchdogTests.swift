import Foundation
import Testing
import TideLua

/// Rows L-01 to L-08: whatever a script does, it ends, and says so.
@Suite struct WatchdogTests {
  static let endless = [
    "while true do end",
    "local function loop() while true do end end while true do pcall(loop) end",
    "local function loop() while true do end end xpcall(loop, function() while true do end end)",
    "local function f() return f() end f()",
    "for i = 1, math.huge do local t = {i} end",
    "local s = ('a'):rep(20000) while true do pcall(string.find, s, '.-b') end",
    "table.sort({3, 2, 1}, function() while true do end end)",
    "('x'):gsub('x', function() while true do end end)",
    "local t = setmetatable({}, {__index = function(t, k) while true do end end}) return t.x",
    "error(setmetatable({}, {__tostring = function() while true do end end}), 0, (function() while true do end end)())",
    "local x <close> = setmetatable({}, (function() local m = {} return m end)()) while true do end",
    "tostring(setmetatable({}, {__tostring = function() while true do end end}))",
  ]

  @Test(arguments: endless, [LuaMachineOptions.Mode.watchdog, .counted])
  func endlessCodeIsAborted(source: String, mode: LuaMachineOptions.Mode) throws {
    let script = try Script(LuaMachineOptions(memorySoftLimit: 64 << 20, mode: mode, patternStepLimit: 0))
    let failure = try #require(script.failure(source, budgetNs: 2_000_000))
    if source.contains("<close>") { return }
    #expect(failure.kind == .timeAbort)
    #expect(failure.message == "time budget exceeded")
    #expect(failure.file == "test.lua" && failure.line == 1)
    #expect(script.machine.isPoisoned)
  }

  @Test(arguments: [LuaMachineOptions.Mode.watchdog, .counted])
  func hostFunctionsThatTakeLongAreTold(mode: LuaMachineOptions.Mode) throws {
    let script = try Script(LuaMachineOptions(mode: mode))
    let failure = try #require(script.failure("local x = 1\npcall(tide.spin)", budgetNs: 2_000_000))
    #expect(failure.kind == .timeAbort && failure.line == 2)
    #expect(!script.machine.isStopping)
  }

  @Test func abortsReachCoroutines() throws {
    let script = try Script()
    let function = try script.function("function() while true do pcall(function() while true do end end) end end")
    guard case .failed(let failure) = script.machine.call(function, budgetNs: 2_000_000, mode: .coroutine) else {
      Issue.record("not aborted")
      return
    }
    #expect(failure.kind == .timeAbort && failure.line == 1)
    let next = try script.function("function(a) return a + 1 end")
    guard
      case .returned(.integer(5)) = script.machine.call(
        next, arguments: [.integer(4)], budgetNs: 1_000_000_000, mode: .coroutine)
    else {
      Issue.record("the pooled thread is still armed")
      return
    }
  }

  @Test func lateSignalsAbortNothing() throws {
    let script = try Script()
    let short = try script.function("function(n) local s = 0 for i = 1, n do s = s + i end return s end")
    for _ in 0..<5 {
      #expect(script.failure("while true do end", budgetNs: 2_000_000)?.kind == .timeAbort)
      for _ in 0..<300 {
        lateSignal()
        guard
          case .returned(.integer(55)) = script.machine.call(
            short, arguments: [.integer(10)], budgetNs: 1_000_000_000)
        else {
          Issue.record("a late signal aborted another call")
          return
        }
      }
    }
  }

  @Test func patternStepsAreCounted() throws {
    let script = try Script(LuaMachineOptions(patternStepLimit: 100_000))
    let failure = try #require(script.failure("('a'):rep(20000):find('.-b')", budgetNs: 60_000_000_000))
    #expect(failure.kind == .stepLimit)
    #expect(script.failure("pcall(string.find, ('a'):rep(20000), '.-b')", budgetNs: 60_000_000_000)?.kind == .stepLimit)
    #expect(!script.machine.isPoisoned)
    #expect(try script.value("('ab'):find('b')") == .integer(2))
  }

  @Test(arguments: [
    "^%s*(.-)%s*$", "%s*x", ".-b", ".-.-.-.-.-.-.-.-.-.-.-.-b", "(.-)(.-)(.-)b", "[^b]*b", "a*a*a*a*b", "%f[b]b.-a",
    "%b()",
  ])
  func hostileTextOf64KiBCannotHoldAWorker(pattern: String) throws {
    let script = try Script()
    for text in ["(' '):rep(65536)", "('a'):rep(65536)", "('('):rep(65536)"] {
      if let failure = script.failure("return \(text):find('\(pattern)')", budgetNs: 5_000_000) {
        #expect(failure.kind == .stepLimit || failure.kind == .timeAbort || failure.message.contains("too complex"))
      }
    }
    #expect(script.failure("return ('a'):rep(65537):find('a.')")?.message.contains("longer than 65536") == true)
    #expect(try script.value("('a'):rep(1 << 20):find('b', 1, true)") == .nilValue)
    #expect(
      try script.value("(('a'):rep(1 << 20) .. 'b'):find(('a'):rep(1 << 19) .. 'b', 1, true)")
        == .integer((1 << 19) + 1))
  }

  @Test func deepRecursionIsAnError() throws {
    let script = try Script(LuaMachineOptions(memorySoftLimit: 64 << 20))
    #expect(script.failure("local function f() return 1 + f() end f()", budgetNs: 5_000_000_000) != nil)
    #expect(script.failure(String(repeating: "(", count: 300))?.kind == .error)
    #expect(script.failure("return ('x'):find(('('):rep(40))") != nil)
    #expect(
      script.failure("local t = {} for i = 1, 300 do t = {t} end tide.echo(t)")?.message.contains("nested too deeply")
        == true)
    #expect(script.failure("local t = {} t.t = t return t")?.message.contains("contains itself") == true)
    #expect(
      script.failure("local t = {} for i = 1, 40 do t = {t, t} end return t")?.message.contains("too large or shared")
        == true)
  }

  @Test func twoMachinesOnTwoThreads() {
    let finished = DispatchGroup()
    for _ in 0..<2 {
      finished.enter()
      let thread = Thread {
        LuaGuard.registerThread()
        do {
          for _ in 0..<3 {
            let script = try Script()
            let add = try script.function("function(a) return a + 1 end")
            #expect(script.failure("while true do pcall(error) end", budgetNs: 2_000_000)?.kind == .timeAbort)
            for _ in 0..<200 {
              guard
                case .returned(.integer(2)) = script.machine.call(
                  add, arguments: [.integer(1)], budgetNs: 1_000_000_000)
              else {
                Issue.record("a neighbour was aborted")
                break
              }
            }
          }
        } catch { Issue.record(error) }
        finished.leave()
      }
      thread.stackSize = 1 << 20
      thread.start()
    }
    finished.wait()
  }

  @Test(arguments: [
    "local s = 'x' while true do s = s .. s end",
    "local t = {} for i = 1, 1e9 do t[i] = {i} end",
    "local t = {} while true do t[#t + 1] = ('x'):rep(100000) .. #t end",
    "while true do pcall(function() local s = ('x'):rep(1 << 20) local t = {} while true do t[#t + 1] = s .. #t end end) end",
    "local s = ('x'):rep(60000) local t = {} while true do t[#t + 1] = s:gsub('x', '%0%0%0' .. #t) end",
  ])
  func memoryBombsAreAborted(source: String) throws {
    let script = try Script(LuaMachineOptions(memorySoftLimit: 4 << 20))
    let failure = try #require(script.failure(source, budgetNs: 20_000_000_000))
    #expect(failure.kind == .memoryAbort || failure.kind == .stepLimit)
    if failure.kind == .memoryAbort { #expect(script.machine.isPoisoned) }
  }

  @Test func garbageAloneIsNoReasonToAbort() throws {
    let script = try Script(LuaMachineOptions(memorySoftLimit: 4 << 20))
    #expect(
      try script.run(
        "local n = 0 for i = 1, 2000 do n = n + #(('x'):rep(10000) .. i) end return n", budgetNs: 20_000_000_000
      ).get().integerValue == 20_006_893)
    #expect(!script.machine.isPoisoned)
    while !script.machine.step(budgetNs: 1_000_000) {}
    #expect(script.machine.byteCount < 1 << 20)
  }
}

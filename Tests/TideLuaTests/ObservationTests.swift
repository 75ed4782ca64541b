import Testing
import TideLua

/// What machines note about the code that they run: figures that repeat, and lines.
@Suite struct ObservationTests {
  /// What a call costs, on a machine of its own.
  private func cost(_ source: String, _ argument: Int64, mode: LuaCallMode = .sync) throws -> LuaCost {
    let script = try Script(LuaMachineOptions(observation: LuaObservation(isMeasured: true)))
    let function = try script.function(source)
    let before = script.machine.cost
    guard
      case .returned = script.machine.call(function, arguments: [.integer(argument)], budgetNs: 500_000_000, mode: mode)
    else {
      Issue.record("did not return")
      return LuaCost()
    }
    let after = script.machine.cost
    return LuaCost(instructions: after.instructions - before.instructions, bytes: after.bytes - before.bytes)
  }

  @Test(arguments: [LuaCallMode.sync, .coroutine]) func instructionsAreCountedOneByOne(mode: LuaCallMode) throws {
    let loop = "function(n) for i = 1, n do end end"
    let none = try cost(loop, 0, mode: mode).instructions
    // LOADI, MOVE, LOADI, FORPREP and the return at the end.
    #expect(none == 5)
    // FORLOOP alone.
    #expect(try cost(loop, 1_000, mode: mode).instructions == none + 1_000)
    let inside = "function(n) pcall(function() for i = 1, n do end end) end"
    let first = try cost(inside, 1, mode: mode).instructions
    #expect(try cost(inside, 1_001, mode: mode).instructions == first + 1_000)
  }

  @Test func figuresRepeat() throws {
    let source = "function(n) local t = {} for i = 1, n do t[i] = ('x'):rep(i) .. i end return #t end"
    let first = try cost(source, 200)
    #expect(try cost(source, 200) == first)
    // The strings themselves are the least of it.
    #expect(first.bytes > 200 * 100)
    #expect(try cost(source, 400).bytes > first.bytes)
  }

  @Test func nothingIsCountedUnlessAsked() throws {
    let script = try Script()
    _ = try script.value("1 + 1")
    #expect(script.machine.cost == LuaCost())
  }

  private static let source = """
    local function pick(a)
      if a then
        return 1
      else
        return 2
      end
    end

    local function never()
      return 3
    end

    return function(a)
      pcall(function()
        pick(a)
        error("x")
        pick(a)
      end)
      tide.wait()
      return pick(a)
    end
    """

  @Test func linesThatRunAreNoted() throws {
    let lines = LuaLineRecord()
    let script = try Script(LuaMachineOptions(observation: LuaObservation(lines: lines)))
    guard case .function(let function) = try script.run(Self.source).get() else {
      Issue.record("no function")
      return
    }
    func ran() -> [Int] { (1...30).filter { lines.hasRun(line: $0, of: "test.lua") } }
    #expect(ran() == [7, 11, 21])
    guard
      case .yielded(let token) = script.machine.call(
        function, arguments: [.value(.boolean(true))], budgetNs: 500_000_000, mode: .coroutine)
    else {
      Issue.record("did not wait")
      return
    }
    #expect(ran() == [2, 3, 7, 11, 14, 15, 16, 18, 19, 21])
    guard case .returned = script.machine.resume(token, budgetNs: 500_000_000) else {
      Issue.record("did not return")
      return
    }
    #expect(ran() == [2, 3, 7, 11, 14, 15, 16, 18, 19, 20, 21])
    #expect(!lines.hasRun(line: 2, of: "other.lua") && !lines.hasRun(line: 0, of: "test.lua"))
  }

  @Test func linesOutliveTheirMachineAndAddUp() throws {
    let lines = LuaLineRecord()
    for argument in [true, false] {
      let script = try Script(LuaMachineOptions(observation: LuaObservation(lines: lines)))
      _ = try script.run("local a = \(argument)\nif a then\n  return 1\nend\nreturn 2").get()
    }
    #expect((1...5).filter { lines.hasRun(line: $0, of: "test.lua") } == [1, 2, 3, 5])
  }

  /// The hook that observes is the watchdog's as well: an abort must get through, and what ran until then be noted.
  @Test(arguments: [LuaMachineOptions.Mode.watchdog, .counted])
  func anObservedMachineIsStoppedAllTheSame(mode: LuaMachineOptions.Mode) throws {
    let lines = LuaLineRecord()
    let observation = LuaObservation(isMeasured: true, lines: lines)
    let script = try Script(LuaMachineOptions(mode: mode, observation: observation))
    let failure = try #require(
      script.failure("local x\nwhile true do\n  pcall(function() while true do end end)\nend\n", budgetNs: 2_000_000))
    #expect(failure.kind == .timeAbort && failure.line == 3)
    #expect((1...4).filter { lines.hasRun(line: $0, of: "test.lua") } == [1, 3])
    // How many depends on the machine; without some, nothing was counted.
    #expect(script.machine.cost.instructions > 0)
  }

  @Test func theCompilersLinesAreThoseOfOneFunction() throws {
    let source = Array(Self.source.utf8)
    #expect(LuaLineRecord.activeLines(ofChunk: source, lineCount: 22) == [7, 11, 21])
    let function = Array("\n\nreturn function(a)\n  local b = a\n\n  return function() return b end\nend".utf8)
    #expect(LuaLineRecord.activeLines(ofFunction: function, lineCount: 7) == [4, 6, 7])
    #expect(LuaLineRecord.activeLines(ofChunk: Array("return =".utf8), lineCount: 1) == nil)
    #expect(LuaLineRecord.activeLines(ofFunction: Array("return 1".utf8), lineCount: 1) == nil)
  }
}

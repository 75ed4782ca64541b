import Testing
import TideLua

@Suite struct SandboxTests {
  @Test func ordinaryCodeRuns() throws {
    let script = try Script()
    #expect(try script.value("1 + 2") == .integer(3))
    #expect(try script.value("('x'):rep(3, '-')") == .text("x-x-x"))
    #expect(try script.value("table.concat({1, 2, 'a'}, ',')") == .text("1,2,a"))
    #expect(try script.value("select('#', table.unpack({1, 2, 3}))") == .integer(3))
    #expect(try script.value("{pcall(error, 'x')}") == .array([.boolean(false), .text("x")]))
    #expect(
      try script.value("{xpcall(error, function(m) return m .. '!' end, 'x')}")
        == .array([.boolean(false), .text("x!")]))
    #expect(try script.value("{xpcall(function(a) return a end, error, 5)}") == .array([.boolean(true), .integer(5)]))
    #expect(try script.value("string.format('%5.1f|%s|%d|%q', 2.25, {}, 3, 'a')") == .text("  2.2|table|3|\"a\""))
    #expect(try script.value("{('héllo'):byte(1, 3)}") == .array([.integer(104), .integer(195), .integer(169)]))
    #expect(try script.value("utf8.len('héllo')") == .integer(5))
    #expect(try script.value("math.type(2^53)") == .text("float"))
    #expect(try script.value("#table.pack(1, nil, 3)") == .integer(3))
  }

  @Test(arguments: [
    "load", "loadstring", "dofile", "loadfile", "collectgarbage", "io", "debug", "package", "coroutine", "_G", "warn",
    "undefined_name",
  ])
  func dangerousNamesAreUnknown(name: String) throws {
    let failure = try #require(try Script().failure("return \(name)"))
    #expect(failure.message.hasPrefix("unknown name '\(name)'"))
    #expect(failure.file == "test.lua" && failure.line == 1)
  }

  @Test(arguments: [
    "string.dump", "math.randomseed", "os.execute", "os.exit", "os.getenv", "tide.nothing", "string.pack",
  ])
  func libraryNamesThatAreMissingRaise(name: String) throws {
    #expect(try #require(try Script().failure("return \(name)")).message == "unknown name '\(name)'")
  }

  @Test(arguments: [
    "x = 1", "string = nil", "string.format = nil", "string.x = 1", "tide.echo = 1", "tide.limit.take = print",
    "rawset(string, 'format', 1)", "getmetatable('').__index = 1", "getmetatable(string).__index = 1",
    "function helper() end", "rawset(math, 'pi', 3)",
  ])
  func nothingSharedCanBeWritten(source: String) throws {
    let script = try Script()
    #expect(script.failure(source) != nil)
    #expect(try script.value("string.format('%d', 4) .. ('a'):upper()") == .text("4A"))
  }

  @Test func globalsSayWhatToDo() throws {
    let failure = try #require(try Script().failure("\n\ncount = 1"))
    #expect(failure.message == "cannot write global 'count': use local, or tide.shared for what must last")
    #expect(failure.line == 3)
  }

  @Test func byteCodeIsRefused() throws {
    let script = try Script()
    #expect(script.failure("\u{1B}Lua")?.message.contains("byte code") == true)
  }

  @Test(arguments: ["__gc", "__mode", "__close"])
  func metatablesWithFinalizersAreRefused(name: String) throws {
    let failure = try #require(try Script().failure("setmetatable({}, {\(name) = function() while true do end end})"))
    #expect(failure.message == "'\(name)' is not available in a metatable")
  }

  @Test func stringMetatableIsHidden() throws {
    #expect(try Script().value("getmetatable('')") == .boolean(false))
  }

  @Test func nothingShowsAnAddress() throws {
    let script = try Script()
    #expect(
      try script.value("tostring({}) .. tostring(print) .. tostring(nil) .. tostring(1.5)")
        == .text("tablefunctionnil1.5"))
    #expect(script.failure("return string.format('%p', {})")?.message == "'%p' is not available")
    #expect(try script.value("tostring(setmetatable({}, {__tostring = function() return 'T' end}))") == .text("T"))
  }

  @Test func printGoesToTheHost() throws {
    let script = try Script()
    _ = script.run("print('a', 1, {}, nil) print()")
    #expect(script.host.printed == ["a\t1\ttable\tnil", ""])
  }

  @Test func randomIsSeeded() throws {
    let a = try Script(LuaMachineOptions(randomSeed: 5))
    let b = try Script(LuaMachineOptions(randomSeed: 5))
    let numbers = "{math.random(100), math.random(), math.random(5, 6), math.random(0)}"
    let first = try a.value(numbers)
    #expect(try b.value(numbers) == first)
    a.machine.seedRandom(5)
    #expect(try a.value(numbers) == first)
    #expect(a.failure("math.random(2, 1)") != nil)
  }

  @Test func timeIsTheHosts() throws {
    let script = try Script()
    script.machine.setClock(nanoseconds: 1_700_000_000_500_000_000)
    #expect(try script.value("os.time()") == .integer(1_700_000_000))
    #expect(try script.value("os.date('!%Y-%m-%d %H:%M:%S')") == .text("2023-11-14 22:13:20"))
    #expect(try script.value("os.date('*t').year") == .integer(2023))
    #expect(
      try script.value("os.time{year = 2023, month = 11, day = 14, hour = 22, min = 13, sec = 20}")
        == .integer(1_700_000_000))
    #expect(script.failure("os.date('%Ez')") != nil)
  }

  @Test func requireSeesOnlyTheHostsModules() throws {
    let host = RecordingHost()
    host.modules = [
      "words": "local M = {n = 0} function M.add() M.n = M.n + 1 return M.n end return M",
      "loop": "return require 'loop'",
      "broken": "local x = = 1", "leaky": "leak = 1",
    ]
    let script = try Script(host: host)
    #expect(try script.value("require('words').add() + require('words').add()") == .integer(3))
    #expect(script.failure("require 'other'")?.message == "module 'other' not found in lib")
    #expect(script.failure("require 'loop'")?.message.contains("requires itself") == true)
    #expect(script.failure("require 'broken'")?.message.contains("lib/broken.lua:1:") == true)
    #expect(script.failure("require 'leaky'")?.file == "lib/leaky.lua")
    #expect(script.failure("require '../../etc/passwd'") != nil)
  }

  @Test(arguments: [
    "table.move({}, 1, 1 << 40, 2)", "table.concat({}, '', 1, 1 << 40)", "table.unpack({}, 1, 1 << 30)",
    "('x'):rep(1 << 40)", "(''):rep(1 << 40, 'yy')", "('x'):rep(9000):byte(1, -1)",
    "utf8.codepoint(('x'):rep(9000), 1, -1)",
    "table.insert(setmetatable({}, {__len = function() return 1 << 60 end}), 1, 1)",
    "table.sort(setmetatable({}, {__len = function() return 1 << 60 end}))",
    "string.format('%s%s', ('x'):rep(1 << 20), ('x'):rep(1 << 20) .. 'x')",
  ])
  func countsAndBytesAreCapped(source: String) throws {
    let failure = try #require(try Script(LuaMachineOptions(memorySoftLimit: 16 << 20)).failure("local _ = \(source)"))
    #expect(failure.kind == .error)
  }

  @Test func tablesSortInsertAndMove() throws {
    let script = try Script()
    #expect(
      try script.value("(function() local t = {5,3,9,1,3} table.sort(t) return t end)()")
        == .array([1, 3, 3, 5, 9].map { .integer($0) }))
    #expect(
      try script.value("(function() local t = {5,3,9,1} table.sort(t, function(a, b) return a > b end) return t end)()")
        == .array([9, 5, 3, 1].map { .integer($0) }))
    #expect(
      try script.value(
        "(function() local t = {} for i = 1, 500 do t[i] = (i * 7919) % 1009 end table.sort(t) for i = 2, 500 do assert(t[i-1] <= t[i]) end return #t end)()"
      ) == .integer(500))
    #expect(
      try script.value("(function() local t = {1,2,3} table.insert(t, 2, 9) table.remove(t, 1) return t end)()")
        == .array([9, 2, 3].map { .integer($0) }))
    #expect(try script.value("table.move({1,2,3}, 1, 3, 2)") == .array([1, 1, 2, 3].map { .integer($0) }))
    #expect(try script.value("table.move({1,2,3}, 2, 3, 1, {})") == .array([2, 3].map { .integer($0) }))
  }
}

import Testing
import TideLua

@Suite struct CallTests {
  @Test func valuesCrossBothWaysByteForByte() throws {
    let script = try Script()
    let echo = try script.function("function(...) return (...) end")
    let value = LuaValue.map([
      (.text("list"), .array([.integer(1), .number(2.5), .boolean(false), .string([0, 255, 0])])),
      (.integer(5), .text("five")),
    ])
    guard case .returned(let back) = script.machine.call(echo, arguments: [.value(value)], budgetNs: 1_000_000_000)
    else {
      Issue.record("failed")
      return
    }
    #expect(back["list"] == value["list"])
    #expect(back.entries?.count == 2)
    #expect(try script.value("'a\\0b'") == .string([97, 0, 98]))
    #expect(try script.value("{}") == .array([]))
    #expect(try script.value("{1, nil, 3}").entries?.count == 2)
    #expect(try script.value("429.0").integerValue == 429)
    #expect(try script.value("{setmetatable({}, {__index = {a = 1}})}") == .array([.array([])]))
  }

  @Test func onlyTheFirstResultCounts() throws {
    let script = try Script()
    for mode in [LuaCallMode.sync, .coroutine] {
      let several = try script.function("function() return ('aa'):gsub('a', 'b') end")
      guard
        case .returned(.string(Array("bb".utf8))) = script.machine.call(several, budgetNs: 1_000_000_000, mode: mode)
      else {
        Issue.record("not the first")
        return
      }
      let none = try script.function("function() end")
      guard case .returned(.nilValue) = script.machine.call(none, budgetNs: 1_000_000_000, mode: mode) else {
        Issue.record("not nil")
        return
      }
    }
  }

  @Test func hostFunctionsAnswerInEveryWay() throws {
    let script = try Script()
    #expect(
      try script.value("{tide.echo(1, 'x', {a = {2}}, true)}")
        == .array([.integer(1), .text("x"), .map([(.text("a"), .array([.integer(2)]))]), .boolean(true)]))
    #expect(
      try script.value(
        "(function() local v, e = tide.fails() return {v == nil, e.code, e.message, e.retry_after} end)()")
        == .array([.boolean(true), .text("busy"), .text("try later"), .integer(2)]))
    let failure = try #require(script.failure("\ntide.raises()"))
    #expect(failure.message == "bad thing" && failure.line == 2)
    #expect(try script.value("(pcall(tide.raises))") == .boolean(false))
    #expect(
      script.failure("tide.limit.take('k')")?.message == "tide.limit.take may wait, so it cannot be called in this hook"
    )
    #expect(try script.value("tide.version") == .text("1.0"))
    #expect(try script.value("tide.deny(429)") == .opaque(LuaOpaque(kind: RecordingHost.verdictKind, id: 429)))
    #expect(script.failure("return tide.deny(1).status") != nil)
    #expect(try script.value("tide.echo(print)") == .nilValue)
  }

  @Test func functionsAreKeptWhereAskedFor() throws {
    let script = try Script()
    _ = script.run("tide.keep{on_match = function(x) return x * 2 end}")
    guard case .function(let function)? = script.host.received.first?["on_match"] else {
      Issue.record("no function")
      return
    }
    guard
      case .returned(.integer(42)) = script.machine.call(function, arguments: [.integer(21)], budgetNs: 1_000_000_000)
    else {
      Issue.record("not called")
      return
    }
    script.machine.release(function)
  }

  @Test func coroutinesWaitAndGoOn() throws {
    let script = try Script()
    let waits = try script.function("function(a) local ok, b = pcall(tide.wait) return a + b end")
    var tokens: [LuaToken] = []
    for start in 0..<3 {
      guard
        case .yielded(let token) = script.machine.call(
          waits, arguments: [.integer(Int64(start))], budgetNs: 1_000_000_000, mode: .coroutine)
      else {
        Issue.record("did not yield")
        return
      }
      tokens.append(token)
    }
    guard
      case .returned(.integer(101)) = script.machine.resume(
        tokens[1], arguments: [.integer(100)], budgetNs: 1_000_000_000)
    else {
      Issue.record("did not go on")
      return
    }
    guard case .failed = script.machine.resume(tokens[1], budgetNs: 1_000_000_000) else {
      Issue.record("a used token was taken")
      return
    }
    script.machine.cancel(tokens[0])
    guard case .failed = script.machine.resume(tokens[0], budgetNs: 1_000_000_000) else {
      Issue.record("a cancelled token was taken")
      return
    }
    guard case .failed(let failure) = script.machine.call(waits, arguments: [.integer(1)], budgetNs: 1_000_000_000)
    else {
      Issue.record("yielded in a sync hook")
      return
    }
    #expect(failure.kind == .error)
  }

  @Test func whatWaitedReturnsItsAnswerAlone() throws {
    let script = try Script()
    let waits = try script.function("function() return select('#', tide.wait({}, 2, 'x')) end")
    guard case .yielded(let token) = script.machine.call(waits, budgetNs: 1_000_000_000, mode: .coroutine) else {
      Issue.record("did not yield")
      return
    }
    guard
      case .returned(.integer(1)) = script.machine.resume(token, arguments: [.integer(7)], budgetNs: 1_000_000_000)
    else {
      Issue.record("its arguments came back")
      return
    }
  }

  @Test func aThousandCoroutinesWaitAtOnce() throws {
    let script = try Script()
    let waits = try script.function("function(a) return a + tide.wait() end")
    var tokens: [LuaToken] = []
    while case .yielded(let token) = script.machine.call(
      waits, arguments: [.integer(Int64(tokens.count))], budgetNs: 1_000_000_000, mode: .coroutine)
    {
      tokens.append(token)
    }
    #expect(tokens.count == 1024)
    for (index, token) in tokens.enumerated().reversed() {
      guard
        case .returned(let value) = script.machine.resume(token, arguments: [.integer(1)], budgetNs: 1_000_000_000)
      else {
        Issue.record("\(index) did not go on")
        return
      }
      #expect(value == .integer(Int64(index + 1)))
    }
  }

  @Test func aWaitReturnsWhatItIsResumedWithOrRaises() throws {
    let script = try Script()
    let waits = try script.function("function() local a, b = tide.wait(1, 2) return tostring(a) .. tostring(b) end")
    guard
      case .yielded(let first) = script.machine.call(waits, budgetNs: 1_000_000_000, mode: .coroutine),
      case .yielded(let second) = script.machine.call(waits, budgetNs: 1_000_000_000, mode: .coroutine)
    else {
      Issue.record("did not yield")
      return
    }
    guard case .failed(let failure) = script.machine.resume(first, raising: "no such host", budgetNs: 1_000_000_000)
    else {
      Issue.record("did not raise")
      return
    }
    #expect(failure.message == "no such host")
    #expect(failure.line == 1)
    guard
      case .returned(let value) = script.machine.resume(second, arguments: [.integer(7)], budgetNs: 1_000_000_000)
    else {
      Issue.record("did not go on")
      return
    }
    #expect(value == .text("7nil"))
    let caught = try script.function("function() local ok, why = pcall(tide.wait) return why end")
    guard case .yielded(let third) = script.machine.call(caught, budgetNs: 1_000_000_000, mode: .coroutine) else {
      Issue.record("did not yield")
      return
    }
    guard
      case .returned(let why) = script.machine.resume(third, raising: "gone", budgetNs: 1_000_000_000),
      why.text?.hasSuffix("gone") == true
    else {
      Issue.record("the error could not be caught")
      return
    }
  }

  @Test func hostFunctionsMayCallBack() throws {
    let script = try Script()
    let inner = try script.function("function(x) if x == 0 then error('inner') end return x + 1 end")
    let machine = script.machine
    script.host.reenter = { [unowned machine] in
      guard case .returned(.integer(8)) = machine.call(inner, arguments: [.integer(7)], budgetNs: 1_000_000_000) else {
        return .raise("nested call failed")
      }
      guard case .failed(let failure) = machine.call(inner, arguments: [.integer(0)], budgetNs: 1_000_000_000) else {
        return .raise("nested call did not fail")
      }
      return failure.message == "inner" ? .ok : .raise(failure.message)
    }
    #expect(try script.value("(function() tide.reenter() return tide.echo('after') end)()") == .text("after"))
    // What the inner call returned is not what the outer one does.
    let outer = try script.function("function() tide.reenter() return 'outer' end")
    for mode in [LuaCallMode.sync, .coroutine] {
      guard case .returned(.string(let bytes)) = machine.call(outer, budgetNs: 1_000_000_000, mode: mode) else {
        Issue.record("the result was lost")
        return
      }
      #expect(bytes == Array("outer".utf8))
    }
    script.host.reenter = nil
  }

  @Test func errorValuesAreNotCalled() throws {
    let script = try Script()
    #expect(script.failure("error(nil)")?.message == "error value is nil")
    #expect(script.failure("error({code = 1, message = 'from table'})")?.message == "from table")
    #expect(
      script.failure("error(setmetatable({}, {__tostring = function() error('x') end, __name = 'evil'}))")?.message
        .hasPrefix("error value is a") == true)
    #expect(script.failure("error(12)")?.message == "12")
    #expect(script.failure("local x = = 2")?.line == 1)
    let failure = try #require(script.failure("local function inner()\n  error('deep')\nend\ninner()"))
    #expect(failure.message == "deep" && failure.line == 2 && failure.traceback.contains("test.lua:4"))
    #expect(failure.description == "test.lua:2: deep")
    let coroutine = try script.function("function() error('in coroutine') end")
    guard case .failed(let other) = script.machine.call(coroutine, budgetNs: 1_000_000_000, mode: .coroutine) else {
      Issue.record("did not fail")
      return
    }
    #expect(other.message == "in coroutine" && other.line == 1)
  }

  @Test func objectsAreReadAndWritten() throws {
    let script = try Script()
    let object = script.host.exchanges.insert(3)
    let context = try script.machine.reference(object: object)
    func call(_ body: String) throws -> LuaOutcome {
      script.machine.call(
        try script.function("function(ctx) \(body) end"), arguments: [.reference(context)], budgetNs: 1_000_000_000)
    }
    func message(_ body: String) throws -> String {
      guard case .failed(let failure) = try call(body) else { return "" }
      return failure.message
    }
    func result(_ body: String) throws -> LuaValue? {
      guard case .returned(let value) = try call(body) else { return nil }
      return value
    }
    #expect(try result("ctx.model = ctx.model .. 'x' return ctx.model") == .text("m1x"))
    #expect(try result("return ctx.id") == .nilValue)
    #expect(try result("return ctx.headers.accept .. #ctx.headers") == .text("a2"))
    #expect(
      try result(
        "ctx.headers['x-new'] = 'n' local t = {} for k, v in pairs(ctx.headers) do t[#t + 1] = k .. v end return table.concat(t, ' ')"
      ) == .text("accepta hosth x-newn"))
    #expect(try result("local n = 0 for part in ctx:each{} do n = n + part end return n") == .integer(6))
    #expect(try result("return tostring(ctx) .. type(ctx)") == .text("ctxuserdata"))
    #expect(try result("return ctx.each == ctx.each") == .boolean(true))
    #expect(try message("return ctx.modle") == "ctx.modle does not exist; did you mean ctx.model?")
    #expect(try message("ctx.modle = 1").contains("did you mean"))
    #expect(try message("ctx.id = 'x'") == "ctx.id is read-only")
    #expect(try message("ctx.each{}").contains("call 'each' with a colon: ctx:each(...)"))
    script.host.exchanges.remove(object)
    let reused = script.host.exchanges.insert(9)
    #expect(reused.slot == object.slot)
    #expect(try message("return ctx.model") == "ctx used after its exchange ended")
    #expect(try message("ctx:each{}") == "ctx used after its exchange ended")
  }

  @Test func referencesAreReused() throws {
    let script = try Script()
    let function = try script.function("function(s, ctx) s.n = (s.n or 0) + 1 return s.n end")
    var capacity = 0
    for cycle in 0..<100_000 {
      let state = try script.machine.referenceTable()
      let context = try script.machine.reference(
        object: LuaHandle(kind: RecordingHost.contextKind, slot: 0, generation: UInt32(cycle)))
      guard
        cycle % 100 != 0
          || isOne(
            script.machine.call(function, arguments: [.reference(state), .reference(context)], budgetNs: 1_000_000_000))
      else {
        Issue.record("state leaked into a new exchange")
        return
      }
      script.machine.release(state)
      script.machine.release(context)
      if cycle == 10 { capacity = script.machine.referenceCapacity }
      if script.machine.collectionDebt > 1 << 20 { script.machine.collect() }
    }
    #expect(script.machine.referenceCapacity == capacity)
    script.machine.collect()
    #expect(script.machine.byteCount < 1 << 20)
  }

  private func isOne(_ outcome: LuaOutcome) -> Bool {
    if case .returned(.integer(1)) = outcome { return true }
    return false
  }

  @Test func readOnlyTablesLookLikeTables() throws {
    let script = try Script()
    let config = try script.machine.makeReadOnly(
      .map([(.text("list"), .array([.integer(1), .integer(2)])), (.text("name"), .text("n"))]))
    func run(_ body: String) throws -> LuaOutcome {
      script.machine.call(
        try script.function("function(cfg) \(body) end"), arguments: [.reference(config)], budgetNs: 1_000_000_000)
    }
    func value(_ body: String) throws -> LuaValue? {
      if case .returned(let value) = try run(body) { value } else { nil }
    }
    #expect(try value("return #cfg.list + cfg.list[2]") == .integer(4))
    #expect(
      try value(
        "local n = 0 for _, v in ipairs(cfg.list) do n = n + v end for k, v in pairs(cfg.list) do n = n + k end return n"
      ) == .integer(6))
    #expect(try value("return next(cfg.list)") == .integer(1))
    #expect(try value("return table.concat(cfg.list, '-')") == .text("1-2"))
    #expect(try value("return cfg.missing") == .nilValue)
    #expect(try value("return tide.echo(cfg.list)") == .array([.integer(1), .integer(2)]))
    for write in [
      "cfg.name = 1", "cfg.list[3] = 1", "cfg.new = 1", "table.insert(cfg.list, 3)",
      "table.sort(cfg.list, function(a, b) return a > b end)",
    ] {
      guard case .failed(let failure) = try run(write) else {
        Issue.record("written: \(write)")
        continue
      }
      #expect(failure.message == "cfg is read-only")
    }
    guard case .failed = try run("rawset(cfg, 'name', 2)") else {
      Issue.record("rawset went through")
      return
    }
    guard case .failed = try run("local _, real = pairs(cfg) real.name = 2") else {
      Issue.record("pairs gave the table away")
      return
    }
    #expect(try script.machine.value(of: config)["name"] == .text("n"))
  }

  @Test func copiesReadAsTablesAndRefuseWrites() throws {
    let script = try Script()
    func run(_ body: String) throws -> LuaOutcome {
      script.machine.call(
        try script.function("function() local c = tide.copy { list = { 1, 2 }, name = 'n' } \(body) end"),
        arguments: [],
        budgetNs: 1_000_000_000)
    }
    let reading =
      "local n = #c.list + c.list[2] for _, v in ipairs(c.list) do n = n + v end for k in pairs(c.list) do n = n + k end return n"
    guard case .returned(.integer(10)) = try run(reading) else {
      Issue.record("does not read as a table")
      return
    }
    guard case .returned(let echoed) = try run("return tide.echo(c.list)") else { return }
    #expect(echoed == .array([.integer(1), .integer(2)]))
    for write in [
      "c.name = 1", "c.new = 1", "c.list[1] = 2", "table.insert(c.list, 3)", "table.remove(c.list)",
      "local _, list = next({ c.list }) list[1] = 3",
    ] {
      guard case .failed(let failure) = try run(write) else {
        Issue.record("written: \(write)")
        continue
      }
      #expect(failure.message == "a copy of seven is read-only: write seven instead", "\(write)")
    }
    for forbidden in ["rawset(c, 'name', 2)", "setmetatable(c, {})"] {
      guard case .failed = try run(forbidden) else {
        Issue.record("went through: \(forbidden)")
        continue
      }
    }
    guard case .returned(.boolean(false)) = try run("return getmetatable(c)") else {
      Issue.record("the metatable was given away")
      return
    }
  }
}

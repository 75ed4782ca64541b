import Testing
import TideLua

@Suite struct TextTests {
  private func outcomes(_ source: String, _ segments: [String], script: Script, goOn: Bool = true) throws -> [String] {
    let hook = try script.function(source)
    let state = try script.machine.referenceTable()
    let lane = try script.machine.reference(.text("lane"))
    var bytes: [UInt8] = []
    var ranges: [LuaMachine.TextRange] = []
    for segment in segments {
      ranges.append(.init(offset: bytes.count, length: segment.utf8.count))
      bytes += segment.utf8
    }
    bytes.append(0)
    var seen: [String] = []
    bytes.withUnsafeBytes { base in
      ranges.withUnsafeBufferPointer { ranges in
        script.machine.callTextBatch(
          hook, state: state, lane: lane, base: base.baseAddress!, segments: ranges, budgetNs: 1_000_000_000
        ) { index, outcome in
          seen.append("\(index):" + self.name(outcome))
          return goOn
        }
      }
    }
    return seen
  }

  private func name(_ outcome: LuaTextOutcome) -> String {
    switch outcome {
    case .pass: "pass"
    case .replaced(let bytes): "=" + String(decoding: bytes, as: UTF8.self)
    case .verdict(let verdict): "verdict \(verdict.id)"
    case .badType(let type): "bad \(type)"
    case .failed(let failure): "failed \(failure.message)"
    }
  }

  @Test func everyOutcomeInABatch() throws {
    let source = """
      function(s, text, lane)
        s.n = (s.n or 0) + 1
        if text == 'cut' then return tide.deny(7) end
        if text == 'bad' then return false end
        if text == 'err' then error('oops') end
        if text == 'same' then return text end
        if text == 'up' then return text:upper() .. s.n .. lane end
        if text == 'drop' then return '' end
      end
      """
    let seen = try outcomes(source, ["a", "up", "same", "cut", "bad", "", "err", "drop", "up"], script: try Script())
    #expect(
      seen == [
        "0:pass", "1:=UP2lane", "2:pass", "3:verdict 7", "4:bad boolean", "5:pass", "6:failed oops", "7:=",
        "8:=UP9lane",
      ])
  }

  @Test func theReceiverEndsABatch() throws {
    #expect(try outcomes("function() return 'x' end", ["a", "b"], script: try Script(), goOn: false) == ["0:=x"])
  }

  @Test func largeBatchesAreCutInPieces() throws {
    let seen = try outcomes(
      "function(s, t) s.n = (s.n or 0) + 1 return t .. s.n end", Array(repeating: "t", count: 1000),
      script: try Script())
    #expect(seen.count == 1000 && seen.last == "999:=t1000")
  }

  @Test func anAbortLeavesEarlierOutcomes() throws {
    let script = try Script()
    let hook = try script.function("function(s, t) if t == 'b' then while true do end end return t .. '!' end")
    let state = try script.machine.referenceTable()
    var seen: [String] = []
    let bytes = Array("ab".utf8)
    let ranges = [LuaMachine.TextRange(offset: 0, length: 1), LuaMachine.TextRange(offset: 1, length: 1)]
    bytes.withUnsafeBytes { base in
      ranges.withUnsafeBufferPointer {
        script.machine.callTextBatch(
          hook, state: state, lane: state, base: base.baseAddress!, segments: $0, budgetNs: 1
        ) {
          seen.append("\($0):" + self.name($1))
          return true
        }
      }
    }
    #expect(seen == ["0:=a!", "1:failed time budget exceeded"])
    #expect(script.machine.isPoisoned)
  }

  @Test func theFirstReplacementMayBeEmpty() throws {
    let script = try Script()
    let hook = try script.function("function(s, t) return '' end")
    let state = try script.machine.referenceTable()
    [UInt8]("gone".utf8).withUnsafeBytes { text in
      guard
        case .replaced(let bytes) = script.machine.callText(
          hook, state: state, text: text, lane: state, budgetNs: 50_000_000)
      else {
        Issue.record("an empty replacement was not taken")
        return
      }
      #expect(bytes.isEmpty)
    }
  }

  /// What a hook returns may lie where the text lay, once nothing in Lua holds the text and garbage was collected.
  @Test func aTextIsKeptForTheComparison() throws {
    let script = try Script()
    let hook = try script.function(
      """
      function(s, text)
        local count = #text
        text = nil
        for i = 1, 40 do local garbage = ('g'):rep(1000000 + i) end
        return ('y'):rep(count)
      end
      """)
    let state = try script.machine.referenceTable()
    for count in stride(from: 41, to: 150, by: 13) {
      [UInt8](repeating: UInt8(ascii: "y"), count: count - 1).withUnsafeBytes { same in
        let text = [UInt8(ascii: "z")] + same
        text.withUnsafeBytes {
          switch script.machine.callText(hook, state: state, text: $0, lane: state, budgetNs: 10_000_000_000) {
          case .replaced(let bytes): #expect(bytes.count == count && bytes.allSatisfy { $0 == UInt8(ascii: "y") })
          case let outcome: Issue.record("\(count): \(outcome)")
          }
        }
      }
    }
  }

  @Test func oneTextWithNulBytes() throws {
    let script = try Script()
    let hook = try script.function("function(s, t) return t .. '\\0' .. #t end")
    let state = try script.machine.referenceTable()
    [UInt8]([1, 0, 2]).withUnsafeBytes {
      guard
        case .replaced(let bytes) = script.machine.callText(
          hook, state: state, text: $0, lane: state, budgetNs: 1_000_000_000)
      else {
        Issue.record("not replaced")
        return
      }
      #expect(Array(bytes) == [1, 0, 2, 0, 51])
    }
  }

  @Test func aMatchIsShownWithItsKind() throws {
    let script = try Script()
    let state = try script.machine.referenceTable()
    func told(_ body: String, _ text: String) throws -> String {
      let hook = try script.function("function(s, match, lane) \(body) end")
      return text.utf8.withContiguousStorageIfAvailable { utf8 in
        let outcome = script.machine.callMatch(
          hook, state: state, kind: "email", text: UnsafeRawBufferPointer(utf8), lane: state, budgetNs: 1_000_000_000)
        return switch outcome {
        case .pass: "pass"
        case .replaced(let bytes): "=" + String(decoding: bytes, as: UTF8.self)
        case .verdict: "verdict"
        case .badType(let name): name
        case .failed(let failure): failure.message
        }
      } ?? ""
    }
    #expect(try told("return match.kind .. ' ' .. match.text", "a\0b") == "=email a\0b")
    #expect(try told("s.seen = match.text", "x") == "pass")
    // To say the same text is to say that it stays: only nil leaves the match to what the filter declares.
    #expect(try told("return match.text", "same") == "=same")
    #expect(try told("return ''", "gone") == "=")
    #expect(try told("return match", "x") == "table")
    #expect(try told("error('no')", "x") == "no")
    #expect(try told("return s.seen", "y") == "=x")
  }
}

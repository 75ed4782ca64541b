import Testing
import TidePolicy

/// Which lines of a file can run: as the compiler has it, in functions that nothing calls too.
@Suite struct CountedLinesTests {
  private func lines(_ source: String) -> [Int]? { CountedLines.of(Array(source.utf8)) }

  @Test func functionsInsideFunctionsCountWhoeverCallsThem() {
    let source = """
      --- A comment that says function and end.
      local text = "function end"

      return {
        version = "1",
        on_request = function(ctx, cfg)
          if cfg.deep then
            return (function(a)
              local function inner(b)
                for i = 1, b do
                  a = a + i
                end
                return a
              end
              return inner(a)
            end)(1)
          elseif cfg.other then
            while a do
              a = nil
            end
          else
            repeat
              a = 1
            until a
          end
        end,
      }
      """
    // 4: the table; 5: its field. Lines of nothing but `end`, `else` or `repeat` are no instructions' own.
    #expect(lines(source) == [2, 4, 5, 7, 8, 10, 11, 13, 15, 16, 17, 18, 19, 23, 24])
  }

  @Test func everyWayToWriteAFunctionIsFound() {
    let source = """
      local m = {}
      function m.a(x)
        return x
      end
      function m:b(...)
        return self, ...
      end
      local function c() return 1 end
      m["end"] = function
        (x)
        return x
      end
      m.d = function() end -- function
      return m, [[
      function(]], c
      """
    #expect(lines(source) == [1, 2, 3, 5, 6, 8, 11, 13, 14, 15])
  }

  @Test func whatClosesDoesNotCountAndWhatIsWrongHasNoLines() {
    #expect(lines("return {\n  a = { 1,\n  'b',\n  f(2),\n  },\n}\n") == [1, 2, 3, 4])
    #expect(lines("\u{FEFF}return 1") == [1])
    #expect(lines("return =") == nil)
    #expect(lines("") == [])
  }
}

import Testing

@testable import TidePolicy

@Suite struct SyntaxTests {
  private func parse(_ text: String) throws -> SyntaxTree { try SyntaxParser.parse(Array(text.utf8)) }

  private func freeNames(_ text: String) throws -> Set<String> { NameLint.freeNames(try parse(text)) }

  @Test(arguments: [
    ("local a = a", ["a"]),
    ("local a; a = 1", []),
    ("local function f() return f end", []),
    ("local f = function() return f end", ["f"]),
    ("for i = i, 2 do print(i) end", ["i", "print"]),
    ("for k, v in pairs(t) do v = k end return v", ["pairs", "t", "v"]),
    ("do local a end return a", ["a"]),
    ("repeat local a = 1 until a", []),
    ("while a do local a = 1 end", ["a"]),
    ("if a then local b elseif b then return b end", ["a", "b"]),
    ("local t = {} function t.a.b:c(x) return self, x end", []),
    ("function t.f() return self end", ["self", "t"]),
    ("local s <const>, c <close> = 1, nil return s, c", []),
    ("return { a = 1, [b] = 2, c; 3, ['d'] = e }", ["b", "c", "e"]),
    ("goto done ::done:: return function(...) return ... end", []),
    ("return a.b['c'][d]:e{f}'g'(h)", ["a", "d", "f", "h"]),
    ("return -a ^ not b .. #c // ~d << 0x1p-3 ~= 1e+5 .. .5", ["a", "b", "c", "d"]),
    ("--[==[ a\n]] ]==] return [[\nb]] -- c", []),
    ("return 'a\\\nb\\'c', \"\\z  \n d\", '\\x41\\u{7A}\\065'", []),
    ("(f or g)(1); (h)()", ["f", "g", "h"]),
  ])
  func namesMeanWhatLuaSaysTheyMean(_ text: String, _ names: [String]) throws {
    #expect(try freeNames(text) == Set(names))
  }

  @Test func linesAreCountedAsLuaCountsThem() throws {
    let tree = try parse("--[[ a\nb ]]\r\nlocal x = 'a\\\nb'\n\rlocal y = [[\n]]\rreturn z")
    var lines: [Int] = []
    tree.forEach { _ in
    } expression: {
      if case .global(_, let line) = $0 { lines.append(line) }
    }
    #expect(lines == [7])
  }

  @Test func commentsThatAllowAreFound() throws {
    let tree = try parse("local a = b -- tide: allow global, member\n-- tide: allowed\n--[[ tide: allow x ]]\nreturn a")
    #expect(tree.allowances == [1: ["global", "member"]])
  }

  @Test(arguments: [
    ("return {", 1, "expected"), ("x = 'a\n'", 1, "a string that does not end"), ("\n--[[ a", 2, "a long comment"),
    ("return 1 end", 1, "the end of the file"), ("a", 1, "expected ="), ("local 1", 1, "a name"), ("a:b.c()", 1, "("),
    ("x = `", 1, "a byte that Lua does not know"), ("if a then end end", 1, "the end of the file"),
  ])
  func whatIsNoLuaIsAProblem(_ text: String, _ line: Int, _ message: String) {
    #expect {
      try parse(text)
    } throws: { error in
      let problem = error as? SyntaxProblem
      return problem?.line == line && problem?.message.contains(message) == true
    }
  }

  @Test(arguments: [
    "(", "{", "[", "f(", "function() ", "do ", "if a then ", "a.b{", "return function() ", "-", "not ", "a(",
  ])
  func nestingIsBounded(_ opening: String) {
    for count in [199, 100_000] {
      _ = try? parse("x = " + String(repeating: opening, count: count))
      _ = try? parse(String(repeating: opening, count: count))
    }
  }

  @Test func longChainsAreNoNesting() throws {
    let count = 100_000
    #expect(try freeNames("return a" + String(repeating: ".b", count: count)) == ["a"])
    #expect(try freeNames("return a" + String(repeating: " .. a", count: count)) == ["a"])
    #expect(try freeNames("a" + String(repeating: "()", count: count)) == ["a"])
    #expect(try freeNames("return " + String(repeating: "not -", count: count) + "a") == ["a"])
    #expect(try freeNames("if a then" + String(repeating: " elseif a then", count: count) + " end") == ["a"])
    #expect(try freeNames(String(repeating: "local a = a;", count: count)) == ["a"])
  }

  /// Every shipped policy, cut at every byte: read, or a problem, but nothing else.
  @Test(arguments: PolicyFolder(path: shippedFolder).sources.map(\.name))
  func noTruncationIsHarmful(_ policy: String) throws {
    let source = try #require(PolicyFolder(path: shippedFolder).sources.first { $0.name == policy })
    #expect(throws: Never.self) { try SyntaxParser.parse(source.text) }
    for end in source.text.indices { _ = try? SyntaxParser.parse(Array(source.text[..<end])) }
  }
}

import Testing
import TideCore

@testable import TideConfig

@Suite("YAML documents")
struct YAMLDocumentTests {
  /// A node as text that tells types apart.
  private func shape(_ node: ConfigNode) -> String {
    switch node.value {
    case .null: "null"
    case .boolean(let value): "bool(\(value))"
    case .integer(let value): "int(\(value))"
    case .number(let value): "num(\(value))"
    case .string(let value): "str(\(value))"
    case .array(let items): "[" + items.map(shape).joined(separator: " ") + "]"
    case .map(let entries): "{" + entries.map { "\($0.key)=\(shape($0.value))" }.joined(separator: " ") + "}"
    }
  }

  private func parse(_ text: String) -> String {
    do { return shape(try YAMLDocument.parse(text, file: "f")) } catch { return error.description }
  }

  @Test("scalars follow the core schema of YAML 1.2")
  func scalars() {
    #expect(
      parse("[no, on, yes, off, y, True, false, TRUE]")
        == "[str(no) str(on) str(yes) str(off) str(y) bool(true) bool(false) bool(true)]")
    #expect(
      parse("[010, 0o17, 0x1F, -5, +5, 0o8, 0x, 1_000, 12:30]")
        == "[int(10) int(15) int(31) int(-5) int(5) str(0o8) str(0x) str(1_000) str(12:30)]")
    #expect(
      parse("[1.5, .5, 5., 1e3, -1.5E-3, 1e, e1, ., '1.5']")
        == "[num(1.5) num(0.5) num(5.0) num(1000.0) num(-0.0015) str(1e) str(e1) str(.) str(1.5)]")
    #expect(
      parse("[~, null, , .inf, -.inf]") == "[null null str() num(inf) num(-inf)]" || parse("[~, null]") == "[null null]"
    )
    #expect(
      parse("[2001-01-01, =, '<<', 99999999999999999999]")
        == "[str(2001-01-01) str(=) str(<<) num(1e+20)]")
    #expect(parse("[!!str 5, !!int \"5\", \"5\"]") == "[str(5) int(5) str(5)]")
    #expect(parse("a: !secret x") == "f:1:4: error: unknown tag `!secret`")
  }

  @Test("JSON is YAML")
  func json() {
    #expect(
      parse(#"{"a": [1, 2.5, true, null, "x\u00e9\n"], "b": {}, "c": []}"#)
        == "{a=[int(1) num(2.5) bool(true) null str(x\u{e9}\n)] b={} c=[]}")
  }

  @Test("nodes and keys know where they stand")
  func positions() throws {
    let root = try YAMLDocument.parse("a: 1\nb:\n  - x\n  - c: d\n", file: "f")
    guard case .map(let entries) = root.value, case .array(let items) = entries[1].value.value else {
      Issue.record("not the tree that was written")
      return
    }
    #expect(entries[1].keyLine == 2 && entries[1].keyColumn == 1)
    #expect(items[0].line == 3 && items[0].column == 5)
    #expect(items[1]["c"]?.line == 4 && items[1]["c"]?.column == 8)
  }

  @Test("duplicate keys, several documents, complex keys and broken text are refused with their place")
  func refused() {
    #expect(parse("a: 1\nb: {c: 1, d: 2, c: 3}").hasPrefix("f:2:5: error: duplicate key `c`"))
    #expect(parse("a: 1\n---\nb: 2").hasPrefix("f:2:1: error: not valid YAML: but found another document"))
    #expect(parse("? [1]\n: 2") == "f:1:3: error: a key must be a single word or string")
    #expect(parse("a: [1").hasPrefix("f:"))
    #expect(parse("a: *b").contains("found undefined alias"))
    #expect(parse("\ta: 1").contains("not valid YAML"))
    #expect(parse(String(repeating: "[", count: 200) + String(repeating: "]", count: 200)).contains("levels deep"))
    #expect(parse(String(repeating: "[", count: 100_000)).contains("not valid YAML"))
  }

  @Test("aliases work, and cannot unfold into a large tree")
  func aliases() {
    #expect(parse("a: &x [1, 2]\nb: *x") == "{a=[int(1) int(2)] b=[int(1) int(2)]}")
    var laughs = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n"
    for level in 1...30 {
      let alias = "*a\(level - 1)"
      laughs += "a\(level): &a\(level) [" + Array(repeating: alias, count: 10).joined(separator: ", ") + "]\n"
    }
    #expect(parse(laughs).contains("aliases unfold this document into more than 100000 additional values"))
    #expect(parse(laughs + "? *a30\n: 1").contains("a key must be a single word"))
    #expect(parse(laughs + "*a30 : 1").contains("a key must be a single word"))
    #expect(parse(laughs + "x: { *a30 : 1 }").contains("a key must be a single word"))
    #expect(parse(laughs + "[ *a30 ] : 1").contains("a key must be a single word"))
  }

  @Test("what only looks like a complex key is left alone")
  func notComplex() {
    #expect(
      parse("a: &x 'what? *this : ]: '\nb: *x # ? *x :\nc: \"]: }: ? \"\nd: http://[::1]:80").hasPrefix("{a=str(what?"))
  }

  @Test("many values without aliases are fine")
  func large() {
    let text = "[" + Array(repeating: "1", count: 150_000).joined(separator: ",") + "]"
    #expect(parse(text).hasPrefix("[int(1)"))
  }
}

import Testing
import TideLua

/// The matcher speaks stock Lua's language: the expected values are what Lua 5.4 itself answers.
@Suite struct PatternTests {
  /// An expression, and its results joined with `|`.
  static let cases: [(String, String)] = [
    ("('hello world'):find('wor')", "7|9"),
    ("('hello'):find('l', 1, true)", "3|3"),
    ("('hello'):find('xyz')", "nil"),
    ("('hello'):find('')", "1|0"),
    ("('hello'):find('', 10)", "nil"),
    ("('hello'):find('', 6)", "6|5"),
    ("('hello'):find('l', -2)", "4|4"),
    ("('hello'):find('(l)(l)')", "3|4|l|l"),
    ("('hello'):find('()ll()')", "3|4|3|5"),
    ("('a.b'):find('.', 1, true)", "2|2"),
    ("('a.b'):find('%.')", "2|2"),
    ("('hello'):find('^h')", "1|1"),
    ("('hello'):find('^e')", "nil"),
    ("('hello'):find('o$')", "5|5"),
    ("('a$b'):find('$b')", "2|3"),
    ("('hello'):find('l+')", "3|4"),
    ("('hello'):find('l-o')", "3|5"),
    ("('hello'):find('x*')", "1|0"),
    ("('hello'):find('he?l')", "1|3"),
    ("('hello'):find('hx?e')", "1|2"),
    ("('hello'):match('(h)(e)(l)')", "h|e|l"),
    ("('key = value'):match('^(%w+)%s*=%s*(%w+)$')", "key|value"),
    ("('  trim  '):match('^%s*(.-)%s*$')", "trim"),
    ("('2024-01-31'):match('(%d+)-(%d+)-(%d+)')", "2024|01|31"),
    ("('x'):match('()')", "1"),
    ("('hello'):match('.-')", ""),
    ("('hello'):match('.-$')", "hello"),
    ("('f(a(b)c)d'):match('%b()')", "(a(b)c)"),
    ("('((x)'):match('%b()')", "(x)"),
    ("('THE (quick) fox'):find('%((%a+)%)')", "5|11|quick"),
    ("('THE (quick) fox'):gsub('%f[%a]%a+', string.lower)", "the (quick) fox|3"),
    ("('THE (quick) fox'):find('%f[%a]%a+%f[%A]')", "1|3"),
    ("('hello world'):gsub('o', '0')", "hell0 w0rld|2"),
    ("('hello world'):gsub('o', '0', 1)", "hell0 world|1"),
    ("('hello'):gsub('', '-')", "-h-e-l-l-o-|6"),
    ("('hello'):gsub('l*', 'x')", "xhxexox|4"),
    ("('abc'):gsub('%w', '%0%0')", "aabbcc|3"),
    ("('abc def'):gsub('(%w+) (%w+)', '%2 %1')", "def abc|1"),
    ("('abc'):gsub('b', '%%')", "a%c|1"),
    ("('$name is $age'):gsub('%$(%w+)', {name = 'Bob', age = 7})", "Bob is 7|2"),
    ("('$name is $x'):gsub('%$(%w+)', {name = 'Bob'})", "Bob is $x|2"),
    ("('abc'):gsub('.', function(c) if c == 'b' then return 'X' end end)", "aXc|3"),
    ("('abc'):gsub('(a)(b)', function(a, b) return b .. a end)", "bac|1"),
    ("('abc'):gsub('()', '%1')", "1a2b3c4|4"),
    ("('abc'):gsub('^a', 'x')", "xbc|1"),
    ("('aaa'):gsub('^a', 'x')", "xaa|1"),
    ("('abc'):gsub('c$', 'x')", "abx|1"),
    ("('a,b,,c'):gsub(',', ';')", "a;b;;c|3"),
    ("('hello'):gsub('[aeiou]', string.upper)", "hEllO|2"),
    ("('hello'):gsub('[^aeiou]', '.')", ".e..o|3"),
    ("('a-b'):gsub('[a-]', 'x')", "xxb|2"),
    ("('a]b'):gsub('[]]', 'x')", "axb|1"),
    ("('a^b'):gsub('[b^]', 'x')", "axx|2"),
    ("('x1y2'):gsub('%D', '')", "12|2"),
    ("('tab\\tnl\\n'):gsub('%s', '_')", "tab_nl_|2"),
    ("('a\\0b'):find('\\0')", "2|2"),
    ("('a\\0b'):find('%z')", "2|2"),
    ("('a\\0b'):match('[%z]')", "\u{0}"),
    ("('a\\0b'):gsub('%c', 'N')", "aNb|1"),
    ("('abab'):match('(ab)%1')", "ab"),
    ("('\"x\" \\'y\\''):match('([\"\\'])(.-)%1')", "\"|x"),
    ("('héllo'):find('l')", "4|4"),
    ("('héllo'):match('[\\128-\\255]+')", "é"),
    ("('a b c'):gsub('%s+', '')", "abc|2"),
    ("('abc'):match('a(.*)c')", "b"),
    ("('abcabc'):match('a(.*)c')", "bcab"),
    ("('abcabc'):match('a(.-)c')", "b"),
    (
      "(function() local t = {} for w in ('one two  three'):gmatch('%a+') do t[#t+1] = w end return table.concat(t, ',') end)()",
      "one,two,three"
    ),
    (
      "(function() local t = {} for k, v in ('a=1, b=2'):gmatch('(%w+)=(%w+)') do t[#t+1] = k .. v end return table.concat(t, ',') end)()",
      "a1,b2"
    ),
    (
      "(function() local t = {} for p in ('abc'):gmatch('()') do t[#t+1] = p end return table.concat(t, ',') end)()",
      "1,2,3,4"
    ),
    (
      "(function() local t = {} for w in ('aXbX'):gmatch('[^X]*') do t[#t+1] = '<' .. w .. '>' end return table.concat(t, ',') end)()",
      "<a>,<b>,<>"
    ),
    (
      "(function() local t = {} for w in ('hello'):gmatch('l', 4) do t[#t+1] = w end return table.concat(t, ',') end)()",
      "l"
    ),
    ("(function() local t = {} for w in ('^a^a'):gmatch('^a') do t[#t+1] = w end return #t end)()", "2"),
    ("('x'):rep(0)", ""),
    ("('ab'):rep(3)", "ababab"),
    ("('ab'):rep(2, ',')", "ab,ab"),
    ("('x'):rep(-1)", ""),
    ("('abc'):byte()", "97"),
    ("('abc'):byte(-1)", "99"),
    ("('abc'):byte(2, 3)", "98|99"),
    ("('abc'):byte(10)", ""),
    ("('abc'):byte(0)", ""),
    ("('abc'):byte(1, -2)", "97|98"),
    ("('abc'):sub(2)", "bc"),
    ("('abc'):upper()", "ABC"),
    ("('abc'):reverse()", "cba"),
    ("('[test]'):gsub('[%[%]]', '')", "test|2"),
    ("('0x1F'):match('^0[xX](%x+)$')", "1F"),
    ("('a.b.c'):gsub('%.', '/')", "a/b/c|2"),
    ("('%d'):gsub('%%d', 'n')", "n|1"),
    ("('abc'):find('b', -10)", "2|2"),
    ("('aXb'):find('%u')", "2|2"),
    ("('aXb'):find('%U', 2)", "3|3"),
    ("('a_b'):match('[%w_]+')", "a_b"),
    ("('x-1'):match('%-(%d)')", "1"),
    ("('abc'):gsub('', '')", "abc|4"),
    ("(''):gsub('', 'x')", "x|1"),
    ("(''):find('')", "1|0"),
    ("(''):match('.*')", ""),
    ("(''):gsub('a', 'b')", "|0"),
    ("('abc'):gsub('b', false and 1 or {b = false})", "abc|1"),
    ("('  x'):find('^%s*x')", "1|3"),
    ("('foo.bar'):match('^(.-)%.(.*)$')", "foo|bar"),
    ("('aaab'):find('a-b')", "1|4"),
    ("('aaab'):match('a*(a)b')", "a"),
    ("('aaa'):find('a?a?a?aaa')", "1|3"),
    ("('THE END'):gsub('%w+', '<%0>', 1)", "<THE> END|1"),
    ("('x=1'):gsub('(%w)=(%w)', '%2=%1')", "1=x|1"),
    ("('one;two'):match(';(.*)')", "two"),
    ("('[[x]]'):find('[[', 1, true)", "1|2"),
    ("('[[x]]'):find('%[%[')", "1|2"),
    ("('a\\nb'):match('a.b') == 'a\\nb'", "true"),
    ("('abc'):gsub('[a-c]', {a = 1, b = 2.5})", "12.5c|3"),
    ("('abc'):gsub('c*$', 'X')", "abX|1"),
    ("('alo'):gsub('', 'x', 2)", "xaxlo|2"),
    ("('%b'):find('%%b')", "1|2"),
  ]

  @Test func answersLikeStockLua() throws {
    let script = try Script()
    let join = try script.function(
      "function(...) local t = table.pack(...) for i = 1, t.n do t[i] = tostring(t[i]) end return table.concat(t, '|') end"
    )
    try script.machine.register(path: "join", value: .function(join))
    for (expression, expected) in Self.cases {
      #expect(try script.value("join(\(expression))") == .text(expected), "\(expression)")
    }
  }

  @Test(arguments: [
    "('a'):find('[a')", "('a'):find('%')", "('a'):find('(a')", "('a'):find('%1')",
    "('a'):find('%f')",
    "('a'):find('%b')", "('a'):gsub('a', '%2')", "('a'):gsub('a', '%')", "('a'):gsub('a', function() return {} end)",
    "('a'):find('[%')", "('a'):rep(33):match(('(a)'):rep(33))",
  ])
  func malformedPatternsRaise(expression: String) throws {
    #expect(try Script().failure("return \(expression)")?.kind == .error)
  }
}

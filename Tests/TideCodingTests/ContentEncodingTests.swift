import Testing

@testable import TideCoding

@Suite struct ContentEncodingTests {
  @Test func whatAFieldMeans() {
    let fields: [(String?, ContentEncoding)] = [
      (nil, .identity), ("", .identity), ("identity", .identity), (" Identity , ", .identity),
      ("gzip", .coded(.gzip)), ("x-gzip", .coded(.gzip)), ("GZIP", .coded(.gzip)), ("\tdeflate ", .coded(.deflate)),
      ("br", .coded(.brotli)), ("zstd", .coded(.zstd)), ("identity, zstd", .coded(.zstd)),
      ("gzip, ,identity", .coded(.gzip)),
      ("gzip, br", .nested), ("gzip,gzip", .nested), ("foo, gzip", .nested),
      ("compress", .unknown("compress")), ("brotli", .unknown("brotli")), ("gzip;q=1", .unknown("gzip;q=1")),
      ("x\u{1}\u{e9}y", .unknown("xy")),
      (String(repeating: "a", count: 99), .unknown(String(repeating: "a", count: 32))),
    ]
    for (field, meaning) in fields { #expect(ContentEncoding(field) == meaning, "\(field ?? "nil")") }
  }

  @Test func onlyWhatCannotBeReadHasAProblem() {
    #expect(ContentEncoding.identity.problem == nil)
    #expect(ContentEncoding.coded(.gzip).problem == nil)
    #expect(ContentEncoding.nested.problem?.contains("several") == true)
    #expect(ContentEncoding.unknown("foo").problem?.contains("`foo`") == true)
  }
}

import Testing

@testable import TideGateway

@Suite struct CanonicalPathTests {
  @Test(
    arguments: [
      ("/", "/", nil),
      ("/v1/models", "/v1/models", nil),
      ("/v1/chat?a=b&c=d", "/v1/chat", "a=b&c=d"),
      ("/v1/%6dodels", "/v1/models", nil),
      ("/v1/%7Euser", "/v1/~user", nil),
      ("/a/%2e%2e/b", "/b", nil),
      ("/a/./b/../c", "/a/c", nil),
      ("/a/b/..", "/a/", nil),
      ("/a/.", "/a/", nil),
      ("//a//b", "//a//b", nil),
      ("/a%20b", "/a%20b", nil),
      ("/a?", "/a", ""),
      ("/a?b?c", "/a", "b?c"),
    ] as [(String, String, String?)])
  func accepts(_ target: String, _ path: String, _ query: String?) {
    guard case .success(let made) = CanonicalPath.make(target) else {
      Issue.record("refused \(target)")
      return
    }
    #expect(made.path == path)
    #expect(made.query == query)
  }

  @Test(arguments: [
    ("", CanonicalPath.Refusal.notAbsolute), ("*", .notAbsolute), ("http://h/", .notAbsolute),
    ("/a%2fb", .forbiddenEscape), ("/a%5Cb", .forbiddenEscape), ("/a%00", .forbiddenEscape), ("/a%", .badEscape),
    ("/a%2", .badEscape), ("/a%zz", .badEscape), ("/a\\b", .forbiddenByte), ("/a#b", .forbiddenByte),
    ("/a b", .forbiddenByte), ("/a?x#y", .forbiddenByte), ("/é", .forbiddenByte), ("/..", .aboveRoot),
    ("/a/../../b", .aboveRoot), ("/%2e%2e/b", .aboveRoot),
  ])
  func refuses(_ target: String, _ refusal: CanonicalPath.Refusal) {
    #expect(CanonicalPath.make(target) == .failure(refusal))
  }

  @Test func isItsOwnCanonicalForm() {
    for target in ["/v1/%6dodels?x=%41", "/a/./b/../c%20d", "//x/../y"] {
      guard case .success(let once) = CanonicalPath.make(target),
        case .success(let twice) = CanonicalPath.make(once.target)
      else {
        Issue.record("refused \(target)")
        continue
      }
      #expect(once == twice)
    }
  }
}

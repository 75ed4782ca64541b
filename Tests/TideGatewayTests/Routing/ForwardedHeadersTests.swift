import Testing
import TideCore

@testable import TideGateway

@Suite struct ForwardedHeadersTests {
  private func names(_ list: HeaderList) -> [String] { (0..<list.count).map { list.name(at: $0) } }

  @Test func requestsLoseCredentialsAndHopByHopFields() {
    let list = HeaderList([
      ("authorization", "Bearer x"), ("x-api-key", "k"), ("api-key", "k"), ("x-goog-api-key", "k"), ("cookie", "c"),
      ("connection", "x-mine, Keep-Alive ,authorization"), ("x-mine", "1"), ("keep-alive", "1"), ("te", "trailers"),
      ("transfer-encoding", "chunked"), ("upgrade", "h2c"), ("proxy-authorization", "p"),
      ("x-forwarded-for", "1.2.3.4"),
      ("x-request-id", "r"), ("accept-encoding", "gzip"), ("expect", "100-continue"), ("traceparent", "t"),
      ("openai-beta", "b"), ("anthropic-version", "v"),
    ])
    #expect(names(ForwardedHeaders.request(list)) == ["traceparent", "openai-beta", "anthropic-version"])
  }

  @Test func connectionCannotRemoveWhatPolicyRestsOn() {
    let list = HeaderList([("connection", "x-api-key"), ("x-api-key", "k"), ("content-type", "t")])
    #expect(names(ForwardedHeaders.response(list)) == ["x-api-key", "content-type"])
  }

  @Test func responsesKeepRetryAfter() {
    let list = HeaderList([
      ("retry-after", "3"), ("x-ratelimit-remaining-tokens", "1"), ("set-cookie", "a"), ("alt-svc", "h3"),
      ("x-request-id", "u"), ("content-length", "3"), ("connection", "close"),
    ])
    #expect(names(ForwardedHeaders.response(list)) == ["retry-after", "x-ratelimit-remaining-tokens"])
  }

  @Test(
    arguments: [
      (nil, nil), ("a=1", "a=1"), ("key=x", nil), ("a=1&key=x&b=2", "a=1&b=2"), ("key", nil), ("monkey=1", "monkey=1"),
      ("", ""),
    ] as [(String?, String?)])
  func queriesLoseTheKey(_ query: String?, _ kept: String?) { #expect(ForwardedHeaders.query(query) == kept) }
}

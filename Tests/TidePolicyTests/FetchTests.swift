import Testing
import TideCore

@testable import TidePolicy

/// What `tide.http` may call, before any address is known.
struct FetchTests {
  private func config(_ url: String) -> ConfigNode {
    ConfigNode(.map([ConfigNode.Entry(key: "url", value: ConfigNode(.string(url)))]))
  }

  @Test(arguments: [
    ("http://example.com", "example.com", 80, "/"),
    ("HTTPS://API.Example.com./v1?a=b#c", "api.example.com", 443, "/v1?a=b"),
    ("http://10.0.0.1:8080?x", "10.0.0.1", 8080, "/?x"), ("https://[2001:DB8::1]:8443/a", "2001:db8::1", 8443, "/a"),
  ])
  func urlsHaveOneReading(text: String, host: String, port: Int, target: String) throws {
    let url = try FetchURL.parse(text).get()
    #expect(url.host == host && url.port == port && url.target == target)
  }

  @Test(arguments: [
    "ftp://a", "//a", "http://", "http:///x", "http://a b", "http://user@a/", "http://a:0/", "http://a:99999/",
    "http://a:/",
    "http://a:8o/", "http://2130706433/", "http://0x7f.1/", "http://0x7f000001/", "http://0177.0.0.1/", "http://127.1/",
    "http://127.0.0.256/", "http://1.2.3.4.5/", "http://a\\b/", "http://[::1/", "http://[::1]x/",
    "http://[fe80::1%eth0]/",
    "http://\u{FF41}.com/", "http://.a/", "http://a,b/",
  ])
  func unusualOnesAreRefused(text: String) {
    if case .success(let url) = FetchURL.parse(text) { Issue.record("read as \(url)") }
  }

  private func reach(_ source: String, _ config: ConfigNode = ConfigNode(.map([]))) throws -> PolicyOutcome? {
    let fixture = try WaitingFixture(source, config: config)
    return fixture.request {
      let target = fixture.fetcher.calls[0].request.target
      guard case .url(_, let reach) = target else { return fixture.fetcher.answer(json: "\"\(target)\"") }
      fixture.fetcher.answer(json: "\"\(reach.rawValue)\"")
    }
  }

  private func calling(_ url: String, _ manifest: String = "") -> String {
    "return { \(manifest) on_request = function(ctx, cfg) return tide.deny(400, { message = tide.http { url = \(url) }.json }) end }"
  }

  @Test func theOperatorsHostMayBePrivate() throws {
    let source = calling("cfg.url", "schema = { url = { type = 'url' } },")
    #expect(denied(try reach(source, config("http://10.0.0.1:1/x")))?.message == "operator")
    // The same host at another port is another service.
    let other = calling("'http://10.0.0.1:2/'", "schema = { url = { type = 'url' } },")
    #expect(denied(try reach(other, config("http://10.0.0.1:1/x"))) == .policyFailed)
  }

  @Test func aListedHostIsPublicOnly() throws {
    #expect(
      denied(try reach(calling("'https://api.example.com/x'", "net = { 'api.example.com' },")))?.message == "public")
    #expect(
      denied(try reach(calling("'https://api.example.com:8443/'", "net = { 'api.example.com:8443' },")))?.message
        == "public")
    #expect(
      denied(try reach(calling("'https://api.example.com:8443/'", "net = { 'api.example.com' },"))) == .policyFailed)
    #expect(denied(try reach(calling("'https://other.example.com/'", "net = { 'api.example.com' },"))) == .policyFailed)
  }

  @Test func whatASchemaGivesByDefaultIsNotTheOperatorsWord() throws {
    let source = calling("cfg.url", "schema = { url = { type = 'url', default = 'http://10.0.0.1/' } },")
    #expect(denied(try reach(source)) == .policyFailed)
  }

  @Test func headersCarrySecretsThatNoScriptSees() throws {
    let source = """
      return { schema = { url = { type = 'url' }, key = { type = 'secret' } }, on_request = function(ctx, cfg)
        tide.http { url = cfg.url, headers = { ["X-Api-Key"] = cfg.key, ["x-plain"] = "p" } }
        local ok, err = pcall(function() return tide.deny(400, { headers = { ["x-leak"] = cfg.key } }) end)
        return tide.deny(400, { message = tostring(ok) })
      end }
      """
    var config = config("http://10.0.0.1/x")
    if case .map(var entries) = config.value {
      entries.append(ConfigNode.Entry(key: "key", value: ConfigNode(.string("s3cret"))))
      config = ConfigNode(.map(entries))
    }
    let fixture = try WaitingFixture(source, config: config)
    let outcome = fixture.request {
      let headers = fixture.fetcher.calls[0].request.headers
      #expect(headers["x-api-key"] == "s3cret" && headers["x-plain"] == "p")
      fixture.fetcher.answer(json: "{}")
    }
    // A client gets none.
    #expect(denied(outcome)?.message == "false")
  }

  @Test func clustersAreNamed() throws {
    let source =
      "return { on_request = function() return tide.deny(400, { message = tide.http { cluster = 'm', path = '/v1/moderations' }.json }) end }"
    let fixture = try WaitingFixture(source)
    _ = fixture.request {
      #expect(fixture.fetcher.calls[0].request.target == .cluster("m", path: "/v1/moderations"))
    }
  }

  @Test(arguments: [
    "tide.http {}", "tide.http 'http://a'", "tide.http { url = 'http://a', uri = 1 }",
    "tide.http { url = cfg.url, body = 1 }",
    "tide.http { url = cfg.url, body = 'a', json = {} }", "tide.http { url = cfg.url, method = 'BREW' }",
    "tide.http { url = cfg.url, headers = { host = 'a' } }",
    "tide.http { url = cfg.url, headers = { ['a\\r\\nb'] = 'c' } }",
    "tide.http { url = cfg.url, headers = { a = 'b\\r\\nc' } }", "tide.http { url = cfg.url, auth = 'a b' }",
    "tide.http { url = cfg.url, timeout = '2h' }", "tide.http { url = cfg.url, max_body = '1GiB' }",
    "tide.http { cluster = 'a', path = 1 }", "tide.http { cluster = {} }", "tide.http { url = {} }",
    "tide.http { cluster = 'a', path = 'x' }", "tide.http { cluster = 'a', url = cfg.url }",
    "tide.all {}", "tide.all { 1 }", "tide.once('a', '1s')", "tide.once('a', '2d', function() end)", "tide.sleep()",
  ])
  func badCallsRaise(call: String) throws {
    let fixture = try WaitingFixture(
      "return { schema = { url = { type = 'url' } }, on_request = function(ctx, cfg) \(call) end }",
      config: config("http://a"))
    #expect(denied(fixture.request()) == .policyFailed)
    #expect(fixture.log.last?.contains("tide.") == true)
  }

  @Test func aManifestsHostsAndTimersAreChecked() {
    #expect(PolicyFixture.problems("return { net = { 'http://a' } }").first?.message.contains("is not a host") == true)
    #expect(PolicyFixture.problems("return { net = 'a' }").first?.message.contains("list of hosts") == true)
    #expect(PolicyFixture.problems("return { timers = { x = { every = '1ms', run = function() end } } }").count == 1)
    #expect(PolicyFixture.problems("return { timers = { x = { every = '1s' } } }").count == 1)
    #expect(PolicyFixture.problems("return { budgets = { on_request = { wall = '11m' } } }").count == 1)
  }
}

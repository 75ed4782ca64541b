import Testing
import TideCore
import TideDialects

@testable import TidePolicy

/// The policies in Plugins/, as they are shipped.
@Suite struct ShippedPolicyTests {
  private func wordFilter(_ words: [(String, String)], ignoreCase: Bool = true) throws -> PolicyFixture {
    let config = map(
      ("words", .map(words.map { .init($0.0, .string($0.1)) })), ("ignore_case", .boolean(ignoreCase)))
    return try PolicyFixture(
      [], bindings: [PolicyBinding(policy: "word-filter", config: config.configNode)], folder: shippedFolder)
  }

  private func apiKeys(_ fixture: FixtureServices = FixtureServices()) throws -> PolicyFixture {
    let keys = PolicyValue.array([
      map(
        ("hash", .string(fixture.digest("sk-alice"))), ("key_id", .string("alice")), ("tenant", .string("acme")),
        ("models", .array([.string("gpt-*"), .string("echo")]))),
      map(("hash", .string(fixture.digest("sk-root"))), ("key_id", .string("root"))),
    ])
    let config = map(("keys", .string("keys.yaml")))
    return try PolicyFixture(
      [], bindings: [PolicyBinding(policy: "api-keys", config: config.configNode)], anonymous: ["open"],
      folder: shippedFolder, files: ["/etc/tide/keys.yaml": keys.configNode])
  }

  @Test func wordFilterSaysTheSameAtEveryCut() throws {
    let fixture = try wordFilter([("colour", "color"), ("naïve", "plain"), ("damn", "")])
    let text = "Colour me naïve: colours, COLOUR; damn colour"
    let wanted = "Color me plain: colours, COLOR;  color"
    for size in [1, 2, 3, 7, 100] {
      let characters = Array(text)
      let deltas = stride(from: 0, to: characters.count, by: size).map {
        String(characters[$0..<min($0 + size, characters.count)])
      }
      var driver = LaneDriver(try #require(fixture.run().lanes))
      #expect(driver.answer(deltas) == wanted)
    }
    for cut in text.indices {
      var driver = LaneDriver(try #require(fixture.run().lanes))
      #expect(driver.answer([String(text[..<cut]), String(text[cut...])].filter { !$0.isEmpty }) == wanted)
    }
  }

  @Test func wordFilterMatchesCaseWhenAsked() throws {
    let fixture = try wordFilter([("Mumbai", "Bombay")], ignoreCase: false)
    var driver = LaneDriver(try #require(fixture.run().lanes))
    #expect(driver.answer(["mumbai Mum", "bai"]) == "mumbai Bombay")
  }

  @Test func wordFilterReplacesPhrases() throws {
    let fixture = try wordFilter([("ACME Corp", "the company"), ("ACME", "it")])
    var driver = LaneDriver(try #require(fixture.run().lanes))
    #expect(driver.answer(["Acme Co", "rp, ACME, acme corps"]) == "The company, IT, it corps")
  }

  @Test func apiKeysKnowsWhoHasAKey() throws {
    let fixture = try apiKeys()
    for header in [("authorization", "Bearer sk-alice"), ("x-api-key", "sk-alice"), ("api-key", "sk-alice")] {
      let run = fixture.run(headers: [header])
      #expect(run.needsAuth)
      guard case .identity(let identity) = run.runAuth() else {
        Issue.record("\(header) was refused")
        continue
      }
      #expect(identity.keyID == "alice" && identity.tenant == "acme" && identity.user == nil)
      #expect(run.runRequest() == .proceed)
    }
  }

  @Test func apiKeysRefusesWrongAndMissingKeys() throws {
    let fixture = try apiKeys()
    for headers in [[], [("authorization", "Bearer sk-wrong")], [("authorization", "Basic sk-alice")]] {
      guard case .deny(let denial) = fixture.run(headers: headers).runAuth() else {
        Issue.record("let in")
        continue
      }
      #expect(denial.status == 401 && denial.code == "invalid_api_key")
    }
    #expect(fixture.run(route: "open").runAuth() == .proceed)
  }

  @Test func apiKeysLimitsModels() throws {
    let fixture = try apiKeys()
    let alice = fixture.run(model: "claude", headers: [("x-api-key", "sk-alice")])
    _ = alice.runAuth()
    guard case .deny(let denial) = alice.runRequest() else {
      Issue.record("let in")
      return
    }
    #expect(denial.status == 404 && denial.code == "model_not_found")
    let root = fixture.run(model: "claude", headers: [("x-api-key", "sk-root")])
    _ = root.runAuth()
    #expect(root.runRequest() == .proceed)
  }

  @Test func rateLimitDeniesWithRetryAfterAndLetsInAgain() throws {
    let config = map(("rate", .integer(60)), ("per", .string("1m")), ("burst", .integer(2)))
    let fixture = try PolicyFixture(
      [], bindings: [PolicyBinding(policy: "rate-limit", config: config.configNode)], folder: shippedFolder)
    #expect(fixture.run().runRequest() == .proceed)
    #expect(fixture.run().runRequest() == .proceed)
    guard case .deny(let denial) = fixture.run().runRequest() else {
      Issue.record("let in")
      return
    }
    #expect(denial.status == 429 && denial.code == "rate_limit_exceeded" && denial.retryAfterMs == 1_000)
    let other = fixture.run()
    other.context.auth = Identity(keyID: "bob")
    #expect(other.runRequest() == .proceed)
    fixture.services.advance(ms: 1_000)
    #expect(fixture.run().runRequest() == .proceed)
  }

  private func router() throws -> PolicyFixture {
    func target(_ model: String, _ weight: Int = 1) -> PolicyValue {
      map(("model", .string(model)), ("weight", .integer(weight)))
    }
    let rules = PolicyValue.array([
      map(("model", .string("smart")), ("min_tokens", .integer(100)), ("to", .array([target("long")]))),
      map(
        ("model", .string("smart")), ("header", .string("x-tier")), ("equals", .string("free")),
        ("to", .array([target("small")]))),
      map(
        ("model", .string("smart")), ("to", .array([target("large", 3), target("next", 1)])),
        ("fallback", .array([target("small")]))),
    ])
    return try PolicyFixture(
      [], bindings: [PolicyBinding(policy: "model-router", config: map(("rules", rules)).configNode)],
      folder: shippedFolder)
  }

  @Test func modelRouterFollowsItsFirstRule() throws {
    let fixture = try router()
    func models(_ run: PolicyRun) -> [String] {
      guard case .targets(let targets) = run.runRoute([RouteTarget(model: "smart", cluster: "a")]) else { return [] }
      return targets.map(\.model)
    }
    #expect(models(fixture.run(model: "other")) == ["smart"])
    #expect(models(fixture.run(String(repeating: "word ", count: 200), model: "smart")) == ["long"])
    #expect(models(fixture.run(model: "smart", headers: [("x-tier", "free")])) == ["small"])
    var firsts: [String: Int] = [:]
    for _ in 0..<400 {
      let order = models(fixture.run(model: "smart"))
      #expect(order.count == 3 && order.last == "small")
      firsts[order[0], default: 0] += 1
    }
    #expect((250...350).contains(firsts["large", default: 0]))
  }

  @Test func promptTemplateEditsOnlyWhatItChanges() throws {
    let config = map(
      ("system", map(("prepend", .string("You work for ACME.")))), ("user", map(("suffix", .string("!")))))
    let fixture = try PolicyFixture(
      [], bindings: [PolicyBinding(policy: "prompt-template", config: config.configNode)], folder: shippedFolder)
    let body =
      #"{"messages": [{"role":"system","content":"Be brief."}, {"role":"user","content":"Hi"}],"model":"m", "x":1.50}"#
    let run = fixture.run(body: body)
    #expect(run.runRequest() == .proceed)
    let sent = String(decoding: run.context.chat?.body() ?? [], as: UTF8.self)
    #expect(
      sent
        == #"{"messages": [{"role":"system","content":"You work for ACME.\n\nBe brief."}, {"role":"user","content":"Hi!"}],"model":"m", "x":1.50}"#
    )
  }

  @Test func promptTemplateWithoutSettingsTouchesNothing() throws {
    let fixture = try PolicyFixture(
      [], bindings: [PolicyBinding(policy: "prompt-template")], folder: shippedFolder)
    let run = fixture.run()
    #expect(run.runRequest() == .proceed)
    #expect(run.context.chat?.isEdited == false)
  }

  /// The page in a policy's first lines ends with its price, and with where that comes from.
  @Test func everyPageEndsWithAPrice() throws {
    let price = try Regex(#"Price: about [^()]+ \(`tidegate policy bench` on an? [^()]+\)\."#)
    for source in PolicyFolder(path: shippedFolder).sources {
      let lines = String(decoding: source.text, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        .prefix { $0.hasPrefix("--") }
      let page = lines.map { $0.drop { $0 == "-" }.drop { $0 == " " } }.joined(separator: " ")
      #expect(page.ranges(of: price).last?.upperBound == page.endIndex, "\(source.name)")
    }
  }
}

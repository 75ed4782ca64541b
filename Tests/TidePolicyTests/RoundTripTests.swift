import TideCore
import TideDialects
import Testing

@testable import TidePolicy

/// Plugins/pii-roundtrip.lua, as it is shipped.
@Suite struct RoundTripTests {
  private func fixture(_ config: PolicyValue = .map([])) throws -> PolicyFixture {
    try PolicyFixture(
      [], bindings: [PolicyBinding(policy: "pii-roundtrip", config: config.configNode)], folder: shippedFolder)
  }

  @Test func theModelSeesPlaceholdersAndTheClientItsOwnWords() throws {
    let fixture = try fixture()
    let answer = "ok, <EMAIL_1> (<IBAN_1>); not eve@example.com, nor <EMAIL_2>, <EMAIL_1"
    let expected = "ok, bob@example.com (DE89 3704 0044 0532 0130 00); not [email], nor <EMAIL_2>, <EMAIL_1"
    func check(_ deltas: [String]) throws {
      let run = fixture.run("mail bob@example.com from DE89 3704 0044 0532 0130 00, bob@example.com!")
      #expect(run.runRequest() == .proceed)
      #expect(run.context.chat?.messages[0].text == "mail <EMAIL_1> from <IBAN_1>, <EMAIL_1>!")
      var driver = LaneDriver(try #require(run.lanes))
      #expect(driver.answer(deltas.filter { !$0.isEmpty }) == expected, "\(deltas)")
    }
    for cut in answer.indices { try check([String(answer[..<cut]), String(answer[cut...])]) }
    try check(answer.map(String.init))
    #expect(fixture.services.log.isEmpty, "\(fixture.services.log)")
  }

  @Test func exchangesDoNotShareTheirValues() throws {
    let fixture = try fixture()
    let alice = fixture.run("I am alice@example.com")
    let bob = fixture.run("I am bob@example.com")
    for run in [alice, bob] { #expect(run.runRequest() == .proceed) }
    var toAlice = LaneDriver(try #require(alice.lanes))
    var toBob = LaneDriver(try #require(bob.lanes))
    toAlice.delta("Hello <EMA")
    toBob.delta("Hello <EMA")
    toAlice.delta("IL_1>.")
    toBob.delta("IL_1>.")
    #expect(toAlice.text == "Hello alice@example.com." && toBob.text == "Hello bob@example.com.")
  }

  @Test func theConfigurationChoosesKindsAndRoles() throws {
    let fixture = try fixture(
      map(("kinds", .array([.string("ip")])), ("roles", .array([.string("user")])), ("with", .string("***"))))
    let run = fixture.run("bob@example.com at 192.0.2.1")
    #expect(run.runRequest() == .proceed)
    #expect(run.context.chat?.messages[0].text == "bob@example.com at <IP_1>")
    var driver = LaneDriver(try #require(run.lanes))
    #expect(driver.answer(["<IP_1> and 198.51.100.7"]) == "192.0.2.1 and ***")
  }
}

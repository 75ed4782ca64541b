import Testing
import TideCore

@testable import TideStore

/// The store's thread against a server that does as it likes.
@Suite(.serialized) struct StoreClientTests {
  private static let granted = "*3\r\n:1\r\n:4\r\n:-1\r\n"

  private static var quick: StoreSettings {
    var settings = StoreSettings()
    settings.connectMs = 5_000
    settings.commandMs = 5_000
    settings.backoffMs = 1
    settings.backoffMsMax = 10
    return settings
  }

  private let events = Brought<StoreEvent>()

  private func client(
    _ server: ScriptedServer, _ settings: StoreSettings = Self.quick, password: String = "", database: Int = 0
  ) -> StoreClient {
    let target = StoreTarget(
      host: "127.0.0.1", port: server.port, password: Secret(password), database: database)
    let client = StoreClient(target, settings: settings) { [events] event in events.bring(event) }
    client.start()
    client.waitForFirstAttempt(timeoutMs: 20_000)
    return client
  }

  /// Sends a command and waits for its end.
  private func take(_ client: StoreClient, _ key: String = "k") -> Result<[Int], StoreFailure>? {
    let ends = Brought<Result<[Int], StoreFailure>>()
    client.send(StoreCommand(.take, key: key, arguments: ["1"]) { ends.bring($0) })
    return ends.next()
  }

  private func isUnavailable(_ result: Result<[Int], StoreFailure>?) -> Bool {
    if case .failure(.unavailable)? = result { return true }
    return false
  }

  /// Asks until the server can be reached again.
  private func takeAgain(_ client: StoreClient) -> Result<[Int], StoreFailure>? {
    while true {
      let result = take(client)
      guard isUnavailable(result) else { return result }
      while let event = events.next(), event != .connected {}
    }
  }

  @Test func commandsInARowAreOnTheirWayTogetherAndEachGetsItsOwn() {
    let server = ScriptedServer { words, _ in .bytes("*1\r\n:\(words[3])\r\n") }
    let client = client(server)
    let ends = Brought<[Int]>()
    for number in 0..<500 {
      client.send(
        StoreCommand(.take, key: "\(number)", arguments: []) { result in
          ends.bring((try? result.get()) ?? [])
        })
    }
    for number in 0..<500 { #expect(ends.next() == [number]) }
    #expect(client.figures.commands == 500)
    #expect(client.figures.latencyCounts.reduce(0, +) == 500)
    client.stop()
    server.stop()
  }

  @Test func aServerThatForgotTheScriptsGetsTheirText() {
    let server = ScriptedServer { words, _ in
      words[0] == "EVAL" ? .bytes(Self.granted) : .bytes("-NOSCRIPT No matching script. Please use EVAL.\r\n")
    }
    let client = client(server)
    #expect(take(client) == .success([1, 4, -1]))
    #expect(server.received.last?[1] == StoreScript.take.text)
    client.stop()
    server.stop()
  }

  @Test func arguments() {
    let server = ScriptedServer { _, _ in .bytes(Self.granted) }
    let client = client(server)
    let ends = Brought<Bool>()
    client.send(StoreCommand(.take, key: "k\r\n\0é", arguments: ["", "-1"]) { _ in ends.bring(true) })
    #expect(ends.next() == true)
    #expect(server.received.last?.suffix(4) == ["1", "k\r\n\0é", "", "-1"])
    client.stop()
    server.stop()
  }

  @Test func aReplyThatEndsAtAnyByteFailsItsCommandAndNoOther() {
    for count in 0..<Self.granted.utf8.count {
      let server = ScriptedServer { _, connection in
        connection == 0 ? .cut(Self.granted, after: count) : .bytes(Self.granted)
      }
      let client = client(server)
      #expect(isUnavailable(take(client)), "\(count)")
      #expect(takeAgain(client) == .success([1, 4, -1]), "\(count)")
      client.stop()
      server.stop()
    }
  }

  @Test(arguments: [
    "HTTP/1.1 400 Bad Request\r\n\r\n", "*-7\r\n", "$-5\r\n", ":twelve\r\n", "*1\r\n:99999999999999999999\r\n",
    "\0\0\0\0", "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", "+OK\r\n", "*1\r\n$1\r\n1\r\n",
    "$-1\r\n",
    "*1\r\n:1\r\n*1\r\n:1\r\n",
  ])
  func garbageEndsTheConnectionAndNotTheProcess(_ text: String) {
    let server = ScriptedServer { _, connection in connection == 0 ? .bytes(text) : .bytes(Self.granted) }
    var settings = Self.quick
    // A length that never comes is waited for no longer than any reply.
    settings.commandMs = 200
    let client = client(server, settings)
    let first = take(client)
    // A reply too many is noticed when it comes, which may be after the first.
    if text.hasPrefix("*1\r\n:1\r\n") { #expect(first == .success([1])) } else { #expect(isUnavailable(first)) }
    #expect(takeAgain(client) == .success([1, 4, -1]))
    client.stop()
    server.stop()
  }

  @Test func aServerThatSaysNothingCostsItsTimeoutOnce() {
    let server = ScriptedServer { _, _ in .silence }
    var settings = Self.quick
    settings.commandMs = 50
    // No further attempt in this test.
    settings.backoffMs = 600_000
    settings.backoffMsMax = 600_000
    let client = client(server, settings)
    #expect(isUnavailable(take(client)))
    let sent = server.received.count
    for _ in 0..<100 { #expect(isUnavailable(take(client))) }
    #expect(server.received.count == sent)
    #expect(events.next() == .connected)
    #expect(events.next() == .lost("no reply within 50 ms"))
    #expect(client.figures.unavailable == 101)
    #expect(!client.figures.isConnected)
    client.stop()
    server.stop()
  }

  @Test func refusalsAreTheCommandsOwn() {
    let server = ScriptedServer { words, _ in
      words[3] == "bad" ? .bytes("-OOM command not allowed\r\n") : .bytes(Self.granted)
    }
    let client = client(server)
    #expect(take(client, "bad") == .failure(.refused("OOM command not allowed")))
    #expect(take(client, "bad") == .failure(.refused("OOM command not allowed")))
    #expect(take(client) == .success([1, 4, -1]))
    #expect(events.next() == .connected)
    #expect(events.next() == .refused("the store refused the command: OOM command not allowed"))
    #expect(events.isEmpty)
    #expect(client.figures.refused == 2)
    client.stop()
    server.stop()
  }

  @Test func aReplicaIsLeft() {
    let server = ScriptedServer { _, connection in
      connection == 0 ? .bytes("-READONLY You can't write against a read only replica.\r\n") : .bytes(Self.granted)
    }
    let client = client(server)
    #expect(isUnavailable(take(client)))
    #expect(takeAgain(client) == .success([1, 4, -1]))
    client.stop()
    server.stop()
  }

  @Test func aPasswordIsSaidToTheServerAlone() {
    let server = ScriptedServer { words, _ in .bytes("-ERR wrong: \(words.last ?? "")\r\n") }
    let client = client(server, password: "hunter2")
    #expect(server.command { $0[0] == "AUTH" } == ["AUTH", "hunter2"])
    guard case .unreachable(let reason)? = events.next() else {
      Issue.record("connected")
      return
    }
    #expect(reason == "it answered: ERR wrong: <hidden>")
    #expect(isUnavailable(take(client)))
    client.stop()
    server.stop()
  }

  @Test func theDatabaseIsChosenFirst() {
    let server = ScriptedServer { words, _ in words[0] == "SELECT" ? .bytes("+OK\r\n") : .bytes(Self.granted) }
    let client = client(server, database: 7)
    #expect(take(client) == .success([1, 4, -1]))
    #expect(server.received.first == ["SELECT", "7"])
    client.stop()
    server.stop()
  }

  // MARK: What must be delivered

  @Test func whatMustBeDeliveredWaitsForTheServer() {
    let server = ScriptedServer { words, connection in
      connection == 0 ? .cut("", after: 0) : .bytes("*1\r\n:1\r\n")
    }
    let client = client(server)
    #expect(isUnavailable(take(client)))
    let ends = Brought<Result<[Int], StoreFailure>>()
    client.send(
      StoreCommand(.giveBack, key: "later", arguments: [], delivery: .assured(repeatable: false)) { ends.bring($0) })
    #expect(ends.next() == .success([1]))
    client.stop()
    server.stop()
  }

  @Test func whatMayHaveBeenRunIsRunAgainOnlyWhereThatDoesNoHarm() {
    let server = ScriptedServer { words, connection in
      // The first connection ends on its second command, with both under way.
      connection > 0 ? .bytes("*1\r\n:1\r\n") : words[3] == "charge" ? .cut("", after: 0) : .silence
    }
    let client = client(server)
    let ends = Brought<(String, Bool)>()
    client.send(
      StoreCommand(.giveBack, key: "back", arguments: [], delivery: .assured(repeatable: false)) { result in
        ends.bring(("back", (try? result.get()) != nil))
      })
    client.send(
      StoreCommand(.charge, key: "charge", arguments: [], delivery: .assured(repeatable: true)) { result in
        ends.bring(("charge", (try? result.get()) != nil))
      })
    let first = ends.next()
    let second = ends.next()
    #expect(first?.0 == "back" && first?.1 == false)
    #expect(second?.0 == "charge" && second?.1 == true)
    #expect(server.received.filter { $0[3] == "back" }.count == 1)
    #expect(server.received.filter { $0[3] == "charge" }.count == 2)
    client.stop()
    server.stop()
  }

  // MARK: Places

  @Test func placesAreRenewedUntilTheyAreGivenBack() {
    let server = ScriptedServer { _, _ in .bytes("*2\r\n:1\r\n:0\r\n") }
    var settings = Self.quick
    settings.leaseMs = 30
    let client = client(server, settings)
    let place = StorePlace(key: "p", member: "m")
    let ends = Brought<Bool>()
    client.send(StoreCommand(.acquire, key: "p", arguments: [], effect: .holds(place)) { _ in ends.bring(true) })
    #expect(ends.next() == true)
    #expect(server.command { $0.suffix(3) == ["p", "30", "m"] } != nil)
    #expect(client.figures.places == 1)
    client.release(place)
    #expect(server.command { $0.suffix(2) == ["p", "m"] && $0.count == 5 } != nil)
    #expect(client.figures.places == 0)
    client.stop()
    server.stop()
  }

  @Test func placesAreHeldAgainAfterALoss() {
    let server = ScriptedServer { words, connection in
      connection == 0 && words[3] == "end" ? .cut("", after: 0) : .bytes("*2\r\n:1\r\n:0\r\n")
    }
    let client = client(server)
    let ends = Brought<Bool>()
    let place = StorePlace(key: "p", member: "m")
    client.send(StoreCommand(.acquire, key: "p", arguments: [], effect: .holds(place)) { _ in ends.bring(true) })
    #expect(ends.next() == true)
    #expect(isUnavailable(take(client, "end")))
    #expect(server.command { $0.suffix(3) == ["p", "15000", "m"] } != nil)
    client.stop()
    server.stop()
  }

  // MARK: The end

  @Test func whatIsLeftIsSentBeforeTheEnd() {
    let server = ScriptedServer { _, _ in .bytes("*1\r\n:1\r\n") }
    let client = client(server)
    let ends = Brought<Bool>()
    for _ in 0..<100 {
      client.send(
        StoreCommand(.charge, key: "k", arguments: [], delivery: .assured(repeatable: true)) { result in
          ends.bring((try? result.get()) != nil)
        })
    }
    client.stop()
    for _ in 0..<100 { #expect(ends.next() == true) }
    #expect(isUnavailable(take(client)))
    server.stop()
  }

  @Test func aServerThatSaysNothingDoesNotHoldTheEnd() {
    let server = ScriptedServer { _, _ in .silence }
    var settings = Self.quick
    settings.farewellMs = 20
    let client = client(server, settings)
    let ends = Brought<Result<[Int], StoreFailure>>()
    client.send(StoreCommand(.take, key: "k", arguments: []) { ends.bring($0) })
    #expect(server.command { _ in true } != nil)
    client.stop()
    #expect(isUnavailable(ends.next()))
    server.stop()
  }
}

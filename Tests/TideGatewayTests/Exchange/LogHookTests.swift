import Testing
import TideCore
import TideHTTP
import TideIO
import TidePolicy

@testable import TideGateway

/// `on_log` runs in turns of its own: never inside an exchange's end, a few a turn, and all of it before the worker ends.
@Suite(.serialized) struct LogHookTests {
  private static let policy = ["note": "return { auto = true, on_log = function(ctx) tide.metrics.incr('logs') end }"]
  private static let burst = 300

  /// Ends exchanges on the worker's thread, all in one turn.
  private static func endExchanges(_ count: Int, _ worker: GatewayWorker) {
    for number in 0..<count {
      let context = ExchangeContext(
        id: "e\(number)", request: RequestHead(method: "POST", authority: "a", path: "/v1/chat/completions"))
      let run = PolicyRun(worker: worker.current.policies, context: context)
      run.begin(route: "default")
      run.runLog()
      run.end()
    }
  }

  private static func logCount(_ gateway: GatewayHarness) -> UInt64 {
    gateway.figures.hooks.filter { $0.hook == "on_log" }.reduce(0) { $0 + $1.metrics.count }
  }

  @Test func aBurstOfEndsIsLoggedOverSeveralTurnsThatFollow() throws {
    let gateway = try GatewayHarness(policies: Self.policy)
    let left = Watched<[Int]>([])
    gateway.io.perform { [worker = gateway.worker!] io in
      Self.endExchanges(Self.burst, worker)
      io.onTurnEnd { _ in left.change { if $0.last != 0 { $0.append(worker.logs.count) } } }
    }
    #expect(left.wait { $0.last == 0 })
    let counts = left.current
    #expect(counts.first == Self.burst, "the turn in which they ended runs none: \(counts)")
    for (before, after) in zip(counts, counts.dropFirst()) {
      #expect(before - after <= PolicyLogTurns.callsMax)
    }
    #expect(Self.logCount(gateway) == UInt64(Self.burst))
    gateway.stop()
  }

  @Test func aClientHasItsAnswerBeforeItsLogRuns() throws {
    let gateway = try GatewayHarness(policies: Self.policy)
    let call = gateway.client.chat()
    #expect(call.finish() == .whole)
    #expect(gateway.eventually { Self.logCount(gateway) == 1 })
    gateway.stop()
  }

  @Test func aDrainWaitsForWhatIsQueued() throws {
    let gateway = try GatewayHarness(policies: Self.policy)
    let left = Watched<Int?>(nil)
    gateway.io.perform { [worker = gateway.worker!] _ in
      Self.endExchanges(Self.burst, worker)
      worker.drain { left.change { $0 = worker.logs.count } }
      #expect(left.current == nil, "it is not over yet")
    }
    #expect(left.wait { $0 != nil })
    #expect(left.current == 0)
    #expect(Self.logCount(gateway) == UInt64(Self.burst))
    gateway.stop()
  }

  @Test func aDrainWaitsForLogsThatWait() throws {
    let judge = Judge(#"{"ok":true}"#)
    let gateway = try GatewayHarness(
      GatewayHarness.plain("policies: [ { use: audit, config: { url: \"\(judge.url)\" } } ]"),
      policies: [
        "audit": """
        return { schema = { url = { type = "url" } },
          on_log = function(ctx, cfg) tide.http { url = cfg.url, body = ctx.id } tide.metrics.incr("stored") end }
        """
      ])
    let isDrained = Watched(false)
    gateway.io.perform { [worker = gateway.worker!] _ in
      Self.endExchanges(1, worker)
      worker.drain { isDrained.change { $0 = true } }
    }
    judge.questions.wait { $0.count == 1 }
    #expect(!isDrained.current)
    judge.release(1)
    #expect(isDrained.wait { $0 })
    #expect(Self.logCount(gateway) == 1)
    judge.stop()
    gateway.stop()
  }

  /// Also where the loop ends at once, as after a second signal.
  @Test func whatIsQueuedRunsBeforeTheWorkerEnds() throws {
    let gateway = try GatewayHarness(policies: Self.policy)
    let worker = try #require(gateway.worker)
    gateway.io.post { io in
      Self.endExchanges(Self.burst, worker)
      io.stop()
    }
    gateway.stop()
    #expect(worker.logs.count == 0)
    #expect(worker.current.policies.metrics.first { $0.hook == "on_log" }?.figures.count == UInt64(Self.burst))
  }

  @Test func aGenerationStaysUntilItsLogsHaveRun() throws {
    let gateway = try GatewayHarness(policies: Self.policy)
    let old = gateway.io.perform { [worker = gateway.worker!] _ in
      Self.endExchanges(Self.burst, worker)
      return worker.current.generation.number
    }
    try gateway.reload(policies: ["note": Self.policy["note"]! + "\n-- Another."])
    #expect(gateway.eventually { !gateway.figures.generations.contains { $0.number == old } })
    #expect(Self.logCount(gateway) == UInt64(Self.burst))
    gateway.stop()
  }
}

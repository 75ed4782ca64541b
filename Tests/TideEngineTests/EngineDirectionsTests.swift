import Testing

@testable import TideEngine

@Suite struct EngineDirectionsTests {
  private func read(_ names: String...) -> EngineDirections {
    var directions = EngineDirections()
    for name in names { directions.read(name) }
    return directions
  }

  @Test func ordinaryModelNamesAskForNothing() {
    for name in [
      "gpt-4o-mini", "llama-3.1-8b", "", "-", "text-embedding-3-small", "slow-first", "die-after", "status-200",
    ] {
      #expect(read(name) == EngineDirections(), "\(name)")
    }
  }

  @Test func modesAndCounts() {
    #expect(read("echo").mode == .echo)
    #expect(read("lorem").tokenCount == nil)
    #expect(read("lorem-200").tokenCount == 200)
    #expect(read("lorem-99999999999999999999").tokenCount == nil)
    #expect(read("openai/scripted").mode == nil)
    #expect(read("tool-call-reasoning").callsTool)
    #expect(read("tool-call-reasoning").hasReasoning)
  }

  @Test func faultsFollowAnyName() {
    let directions = read("gpt-4o-die-after-3-slow-first-250-no-done")
    #expect(directions.faults.breaks == .die)
    #expect(directions.faults.breaksAfter == 3)
    #expect(directions.faults.slowFirstMs == 250)
    #expect(directions.faults.omitsDone)
    #expect(read("die-before-head").faults.diesBeforeHead)
    #expect(read("stall-after-0").faults.breaksAfter == 0)
  }

  @Test func refusals() {
    #expect(read("rate-limited").faults.status == 429)
    #expect(read("rate-limited").faults.retryAfter == 1)
    #expect(read("rate-limited-retry-after-7").faults.retryAfter == 7)
    #expect(read("retry-after-7-rate-limited").faults.retryAfter == 7)
    #expect(read("overloaded").faults.status == 503)
    #expect(read("status-418").faults.status == 418)
  }

  @Test func intervalsHaveUnits() {
    #expect(read("burst").interval == 0)
    #expect(read("interval-5ms").interval == 5_000_000)
    #expect(read("interval-500us").interval == 500_000)
    #expect(read("interval-5").interval == nil)
  }

  @Test func headerAddsToTheName() {
    let directions = read("lorem-5", "burst, error-after-2")
    #expect(directions.mode == .lorem)
    #expect(directions.interval == 0)
    #expect(directions.faults.breaks == .error)
  }
}

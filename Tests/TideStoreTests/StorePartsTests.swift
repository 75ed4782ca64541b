import Testing
import TideCore

@testable import TideStore

/// The store's pure parts.
struct StorePartsTests {
  @Test func backOffDoublesUpToItsMostAndBeginsAnew() {
    var settings = StoreSettings()
    settings.backoffMs = 100
    settings.backoffMsMax = 1_000
    var backoff = StoreBackoff(settings)
    #expect((0..<6).map { _ in backoff.next(random: 0.5) } == [100, 200, 400, 800, 1_000, 1_000])
    backoff.reset()
    #expect(backoff.next(random: 0) == 75)
    #expect(backoff.next(random: 1) == 250)
  }

  @Test func placesAreRenewedTogether() {
    var book = PlaceBook(everyMs: 5_000)
    let start = MonotonicTime(nanoseconds: 1_000_000_000)
    #expect(book.isEmpty && book.nextRenewal == .distantFuture)
    for number in 0..<250 { book.hold(StorePlace(key: number < 230 ? "a" : "b", member: "\(number)"), now: start) }
    #expect(book.count == 250)
    #expect(book.nextRenewal == start.advanced(byMs: 5_000))
    let renewals = book.renewals(now: start.advanced(byMs: 6_000))
    #expect(renewals.map(\.members.count).sorted() == [20, 30, 100, 100])
    #expect(Set(renewals.flatMap(\.members)).count == 250)
    #expect(book.nextRenewal == start.advanced(byMs: 11_000))
    for number in 0..<250 { book.release(StorePlace(key: number < 230 ? "a" : "b", member: "\(number)")) }
    book.release(StorePlace(key: "a", member: "unknown"))
    #expect(book.isEmpty && book.nextRenewal == .distantFuture && book.renewals(now: start).isEmpty)
  }

  @Test func aPipelineKeepsItsOrderOverManyCommands() {
    var pipeline = StorePipeline(digests: [.take: "digest"])
    for number in 0..<5_000 {
      let words = pipeline.send(
        StorePipeline.Sent(command: StoreCommand(.take, key: "\(number)", arguments: ["a"]), since: .zero))
      #expect(words == ["EVALSHA", "digest", "1", "\(number)", "a"])
      guard number % 3 != 0 else { continue }
      guard case .done(let command, .success([7]), _) = pipeline.receive(.list([.integer(7)])) else {
        Issue.record("no end")
        return
      }
      #expect(command.key == "\(number - number / 3 - 1)")
    }
    let rest = pipeline.takeAll()
    #expect(rest.count == 1_667 && rest.last?.command.key == "4999")
    #expect(pipeline.count == 0 && pipeline.oldest == nil)
  }

  @Test func theNameOfATargetSaysNoSecret() {
    let target = StoreTarget(host: "::1", port: 7, user: "u", password: Secret("hunter2"), database: 3)
    #expect(target.name == "redis://[::1]:7/3")
  }
}

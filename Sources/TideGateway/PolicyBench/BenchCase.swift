import TideCore
import TideLua
import TidePolicy

/// One gateway that a price is measured on, and the request that it gets: with a short answer and with a long one.
final class BenchCase {
  private let gateway: RehearsalGateway
  private let short: RehearsalRequest
  private let long: RehearsalRequest

  /// - Parameters:
  ///   - bindings: as `t.gateway` takes them.
  ///   - chat: as a gateway's `chat` takes it.
  ///   - text: the long answer's, a token in each.
  init(
    bindings: LuaValue, chat: LuaValue, text: [[UInt8]], folder: PolicyFolder,
    surroundings: RehearsalGateway.Surroundings
  ) throws(TestProblem) {
    let services = RehearsalServices(clock: RehearsalClock(), seed: 1)
    let made = try TestGateway(
      bindings, folder: folder, file: "bench", services: services, seed: 1, surroundings: surroundings)
    gateway = made.live
    var chat = try ChatCase(chat) { _, _ in UpstreamReply() }
    short = chat.request(chat.delivery)
    guard var reply = chat.replies.last else { throw TestProblem("the case of tide.bench has no answer") }
    reply.chunks = text.map { UpstreamReply.Chunk(text: $0) }
    reply.usage.output = text.count
    chat.replies = [reply]
    long = chat.request(chat.delivery)
  }

  /// Nanoseconds of the processor that each of so many exchanges took.
  func measure(_ count: Int, isLong: Bool) throws(TestProblem) -> Double {
    let request = isLong ? long : short
    let began = ThreadClock.nanoseconds
    for _ in 0..<count {
      let client = gateway.begin(request)
      guard gateway.finish(client) else { throw TestProblem("the exchange of tide.bench does not end") }
      guard (client.record?.status ?? 0) < 400 || !isLong else {
        throw TestProblem("the exchange of tide.bench was refused with \(client.record?.status ?? 0)")
      }
    }
    return Double(ThreadClock.nanoseconds - began) / Double(count)
  }
}

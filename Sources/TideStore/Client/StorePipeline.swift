import TideCore

/// The commands on their way, in the order of their replies. Pure: bytes and the clock are the caller's.
///
/// Scripts are called by their digests, which the server told when they were loaded. One that has forgotten them since (`SCRIPT FLUSH`,
/// or another server at the same address) gets the whole text.
struct StorePipeline {
  struct Sent {
    var command: StoreCommand
    var since: MonotonicTime
    var hasText = false
  }

  /// What a reply means.
  enum Outcome {
    case done(StoreCommand, Result<[Int], StoreFailure>, since: MonotonicTime)
    /// To be sent again with its text.
    case again(Sent)
    /// The connection is of no use any more.
    case lost(String)
  }

  private var sent: [Sent] = []
  private var first = 0
  private let digests: [StoreScript: String]

  init(digests: [StoreScript: String]) { self.digests = digests }

  var count: Int { sent.count - first }

  /// When the oldest command was sent.
  var oldest: MonotonicTime? { first < sent.count ? sent[first].since : nil }

  /// The words to send for a command; they are expected to be written.
  mutating func send(_ one: Sent) -> [String] {
    sent.append(one)
    let command = one.command
    let head = one.hasText ? ["EVAL", command.script.text] : ["EVALSHA", digests[command.script] ?? ""]
    return head + ["1", command.key] + command.arguments
  }

  mutating func receive(_ reply: StoreReply) -> Outcome {
    guard first < sent.count else { return .lost("a reply to no command") }
    let result: Result<[Int], StoreFailure>
    switch reply {
    case .error(let text) where Self.endings.contains(where: text.hasPrefix):
      // A server that has become a replica, or that is loading, will not do for some time; another one may stand in its place.
      return .lost(text)
    case .error(let text): result = .failure(.refused(text))
    default:
      guard let numbers = reply.numbers else { return .lost("a reply that no script gives") }
      result = .success(numbers)
    }
    var one = sent[first]
    first += 1
    if first == sent.count {
      // Nobody's completion is kept longer than it takes.
      sent.removeAll(keepingCapacity: true)
      first = 0
    } else if first > 1_024, first * 2 > sent.count {
      sent.removeFirst(first)
      first = 0
    }
    if case .failure(.refused(let text)) = result, text.hasPrefix("NOSCRIPT"), !one.hasText {
      one.hasText = true
      return .again(one)
    }
    return .done(one.command, result, since: one.since)
  }

  private static let endings = ["READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "NOAUTH", "UNKILLABLE"]

  /// All that is without a reply, in order.
  mutating func takeAll() -> [Sent] {
    let rest = Array(sent[first...])
    sent = []
    first = 0
    return rest
  }
}

import Glibc
import TideCore

/// Makes a connection usable: connects, says who the gateway is, chooses the database, loads the scripts; all within one deadline.
struct StoreConnection {
  let link: RedisLink
  var pipeline: StorePipeline

  static func open(_ target: StoreTarget, _ settings: StoreSettings) -> Result<StoreConnection, RedisLink.Problem> {
    let deadline = MonotonicTime.now().advanced(byMs: settings.connectMs)
    do throws(RedisLink.Problem) {
      let link = try RedisLink(host: target.host, port: target.port)
      var greetings: [[String]] = []
      if !target.password.isEmpty {
        greetings.append(["AUTH"] + (target.user.isEmpty ? [] : [target.user]) + [target.password.reveal()])
      }
      if target.database != 0 { greetings.append(["SELECT", "\(target.database)"]) }
      let scripts = StoreScript.allCases
      for greeting in greetings + scripts.map({ ["SCRIPT", "LOAD", $0.text] }) { try link.append(greeting) }
      let wanted = greetings.count + scripts.count
      var replies: [StoreReply] = []
      while replies.count < wanted {
        try wait(for: link, until: deadline)
        if link.hasOutput { try link.write() }
        // Readable or not: a socket without data just says so.
        try link.read { replies.append($0) }
        if let problem = refusal(replies, target) { throw problem }
      }
      var digests: [StoreScript: String] = [:]
      for (script, reply) in zip(scripts, replies[greetings.count...]) {
        guard case .text(let digest) = reply, digest.utf8.count == 40 else {
          throw RedisLink.Problem(reason: "it answered SCRIPT LOAD with something else than a digest")
        }
        digests[script] = digest
      }
      return .success(StoreConnection(link: link, pipeline: StorePipeline(digests: digests)))
    } catch {
      return .failure(error)
    }
  }

  private static func wait(for link: RedisLink, until deadline: MonotonicTime) throws(RedisLink.Problem) {
    let left = deadline.milliseconds(since: .now())
    let events = link.hasOutput ? POLLIN | POLLOUT : POLLIN
    var descriptor = pollfd(fd: link.descriptor, events: Int16(events), revents: 0)
    guard left > 0, poll(&descriptor, 1, Int32(clamping: left)) > 0 else {
      throw RedisLink.Problem(reason: "no answer in time")
    }
  }

  /// What the server has against a greeting, without the secret that it may repeat.
  private static func refusal(_ replies: [StoreReply], _ target: StoreTarget) -> RedisLink.Problem? {
    for case .error(let text) in replies {
      let secret = target.password.reveal()
      let shown =
        secret.isEmpty
        ? text : text.split(separator: secret, omittingEmptySubsequences: false).joined(separator: "<hidden>")
      return RedisLink.Problem(reason: "it answered: \(shown)")
    }
    return nil
  }
}

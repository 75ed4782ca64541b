import TideIO

/// An HTTP service that policies ask; each question is answered when the test lets it.
final class Judge: @unchecked Sendable {
  let questions = Watched<[String]>([])
  let gone = Watched(0)
  private let released = Watched(0)
  private(set) var upstream: ScriptedUpstream!

  init(_ answer: String = #"{"ok":true}"#, status: Int = 200) {
    // Its threads outlive the test by the moment it takes to see their connections closed.
    upstream = ScriptedUpstream { [questions, gone, released] connection in
      while connection.request() != nil {
        var number = 0
        questions.change {
          $0.append(String(decoding: connection.body, as: UTF8.self))
          number = $0.count
        }
        released.wait { $0 >= number }
        connection.send(
          "HTTP/1.1 \(status) OK\r\ncontent-type: application/json\r\ncontent-length: \(answer.utf8.count)\r\n\r\n\(answer)"
        )
      }
      gone.change { $0 += 1 }
    }
  }

  func release(_ count: Int) { released.change { $0 += count } }
  var url: String { "http://\(upstream.address)/judge" }
  func stop() {
    release(1_000)
    upstream.stop()
  }
}

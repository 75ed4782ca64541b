/// What calls of `tide.http` to one URL get.
struct CallMock {
  /// Nil takes every method.
  var method: String?
  var url: String
  var reply: (RehearsalCall) -> UpstreamReply

  /// - Returns: nil for a call that goes elsewhere.
  func answer(_ call: RehearsalCall) -> (status: Int, play: UpstreamPlay)? {
    guard method == nil || method == call.method, url == call.url else { return nil }
    var reply = reply(call)
    if reply.body == nil { reply.body = reply.text }
    reply.isUntyped = true
    return (reply.status, UpstreamTranscript.play(reply, Delivery(isStreamed: false), model: ""))
  }
}

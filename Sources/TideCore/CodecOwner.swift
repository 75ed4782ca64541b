/// Who holds a codec: the connection it reads for and writes to. Calls are per message or per connection, not per token.
public protocol CodecOwner: AnyObject {
  /// Asks for `produce` at the end of the turn. Cheap and idempotent.
  func codecNeedsFlush()
  /// Server side: a new request. The owner gives `stream` its consumer inside the call; body events follow to that consumer.
  func codecDidReceive(_ head: RequestHead, on stream: HTTPStream, endStream: Bool)
  /// Client side: how many streams can be opened may have changed, to none at all after GOAWAY or a close included.
  func codecDidChangeCapacity()
  /// Close the socket once everything that `produce` still yields is written. Called once.
  func codecWantsClose(_ reason: CodecClose)
}

/// Why a codec is done with its connection.
public enum CodecClose: Sendable, Equatable {
  /// Properly: drained, `Connection: close`, or GOAWAY followed by the last stream.
  case finished
  /// The peer closed.
  case peerGone
  /// The peer closed in the middle of a message.
  case truncated
  /// The peer broke the protocol.
  case protocolError
  /// A limit against floods was passed; the name says which, for the log and the counters.
  case attack(String)
  /// A deadline of ours passed: handshake, preface, header block, idle.
  case timedOut(String)
}

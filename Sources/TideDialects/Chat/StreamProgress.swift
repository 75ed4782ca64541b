/// Where a streamed answer stands after some of its bytes.
public enum StreamProgress: Equatable, Sendable, BitwiseCopyable {
  /// More is to come.
  case streaming
  /// A policy waits: the stream keeps what it was given. Give it nothing more; call `resume` when the policy has decided.
  case waiting
  /// The terminal marker was seen (or what stands for it): the answer is whole, nothing more may follow.
  case complete
  /// A policy ended the answer; everything the client needs was written. Reset the upstream.
  case cut
  /// The answer cannot go on. `upstreamError` was already told to the client; for the others call `writeError`.
  case failed(StreamFailure)

  /// True once no further byte will be written for this answer.
  public var isOver: Bool { self != .streaming && self != .waiting }
}

/// Why a streamed answer failed.
public enum StreamFailure: UInt8, Sendable, BitwiseCopyable {
  /// An event that policies had to read was not the dialect's JSON.
  case malformed
  /// The arguments of a tool call that policies had to read were not JSON.
  case badArguments
  /// An event over 1 MiB.
  case tooLarge
  /// The upstream sent an error event of its own; it was forwarded.
  case upstreamError
  /// A policy failed closed.
  case policy
  /// The upstream ended without the terminal marker, cleanly or not.
  case truncated
  /// Its content coding is broken, or expands too far.
  case undecodable
  /// The upstream was silent for too long.
  case timedOut
  /// The gateway's drain limit ended the stream.
  case drained
}

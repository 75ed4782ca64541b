/// What became of an answer that is not streamed.
public enum BodyOutcome: Equatable, Sendable {
  /// The body to send; equal to what came when no text was changed.
  case body([UInt8])
  /// As `body`, ended early by a policy.
  case cut([UInt8])
  /// The body cannot be read or a policy failed closed; it must not be sent.
  case failed(StreamFailure)
}

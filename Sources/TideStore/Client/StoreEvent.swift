/// What there is to say about a store: each once, when it happens.
public enum StoreEvent: Sendable, Equatable {
  case connected
  /// It was connected, and is not any more.
  case lost(String)
  /// An attempt to connect failed, for the first time or for another reason than the one before.
  case unreachable(String)
  /// The server refuses commands: the first refusal of ten seconds.
  case refused(String)
}

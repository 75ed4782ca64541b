import TideCore

/// A find that is put before the caller.
public struct FilterMatch {
  /// The filter's place in its list, from 0.
  public var filter: Int
  /// An entity's kind, `word`, `pattern` or `placeholder`.
  public var kind: StaticString
  /// The word's or pattern's place in its filter, from 0; 0 for others.
  public var item: Int
  /// What was found, as it came; valid during the call only. Of a find without an end, its beginning.
  public var text: UnsafeRawBufferPointer
  /// What goes with it, however much follows.
  var tail = EntityRecogniser.Tail.none
}

/// What becomes of a find.
public enum FilterDecision: Sendable, BitwiseCopyable {
  /// As the filter declares: a mask, a replacement, for `block` the end. For `restore` the placeholder stays.
  case standard
  /// The caller has appended what takes its place; nothing appended drops it.
  case replaced
  /// It stays as it is.
  case pass
  /// The answer ends before it.
  case cut
}

/// What a scan came to.
public enum FilterStep: UInt8, Sendable, BitwiseCopyable {
  case proceed
  /// A match ends the answer; what came before it has been appended.
  case cut
  /// A strict bound was reached: text that could still become a match may neither wait nor go.
  case overHold
}

/// Why held text is let go before its lane has ended.
public enum FilterFlush: Sendable {
  /// It has waited for `FilterHold.timeMs`. A strict scanner ends the answer instead.
  case time
  /// The filters no longer apply.
  case disabled
}

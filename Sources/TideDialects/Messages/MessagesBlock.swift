/// One content block of a Messages stream that has begun and not ended.
struct MessagesBlock {
  enum Kind: UInt8 { case text, thinking, other }

  /// How many blocks the upstream began before it; tells its lanes apart from those of other blocks.
  let ordinal: Int32
  /// The index that the upstream calls it by.
  let upstreamIndex: Int32
  /// The index that the client knows it by: its place in the message.
  let index: Int32
  let kind: Kind
  /// Its beginning has not been sent: a text block without text yet, or thinking that a policy judges, which goes or is dropped whole.
  var isHeld = false
  /// The upstream has sent text of a lane.
  var hasText = false
  /// A processor has let some of it pass.
  var hasEmission = false
  var isSigned = false
  /// What came against what went, for thinking and for arguments.
  var comparison = TextComparison()
  /// A tool's arguments as the client gets them, where a processor sees them.
  var arguments: [UInt8] = []

  init(ordinal: Int32, upstreamIndex: Int32, index: Int32, kind: Kind) {
    self.ordinal = ordinal
    self.upstreamIndex = upstreamIndex
    self.index = index
    self.kind = kind
  }
}

/// What tells the lanes of a Messages answer apart.
struct MessagesLaneKey: Equatable {
  var block: Int32
  var text: MessagesEvent.TextKey
}

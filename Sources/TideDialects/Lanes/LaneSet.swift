import TideCore

#if canImport(Glibc)
  import Glibc
#endif

/// Runs the texts of one answer through its processor, lane by lane.
///
/// Owned by the answer's stream or body; its buffers are the worker's `DialectScratch`. `Key` is what the dialect tells lanes apart by.
struct LaneSet<Key> {
  struct Lane {
    var id: LaneID
    var key: Key
    var text = LaneText()
    var hasEnded = false
  }

  /// More lanes than any answer has; an upstream that opens more is not one.
  static var laneLimit: Int { 1024 }

  let processor: LaneProcessor
  let channels: ChannelSet
  /// Those whose text is only counted.
  let countedChannels: ChannelSet
  private(set) var lanes = ContiguousArray<Lane>()
  /// Where the lanes stood when the last was opened: to be fetched into the cache, not read.
  private(set) var place: UnsafeRawPointer?

  init(_ processor: LaneProcessor) {
    self.processor = processor
    channels = processor.channels
    countedChannels = processor.countedChannels.subtracting(channels)
  }

  /// Opens the next lane of a channel: blocks are counted in each channel, in the order in which they appear.
  ///
  /// - Returns: nil when there are too many.
  mutating func open(choice: Int32 = 0, channel: Channel, key: Key) -> Int? {
    guard lanes.count < Self.laneLimit else { return nil }
    var block: Int32 = 0
    for lane in lanes where lane.id.choice == choice && lane.id.channel == channel { block &+= 1 }
    lanes.append(Lane(id: LaneID(choice: choice, block: block, channel: channel), key: key))
    place = lanes.withUnsafeBufferPointer { UnsafeRawPointer($0.baseAddress) }
    return lanes.count &- 1
  }

  /// Feeds the content of one JSON string and, with `isLast`, ends the lane after it.
  ///
  /// What the client is to see stands in `scratch.emitted` then, valid UTF-8.
  /// - Returns: the processor's step, whether what came is what goes, and the decoded text that came, valid until the next call.
  mutating func run(
    _ lane: Int, _ content: UnsafeRawBufferPointer, hasEscapes: Bool, isLast: Bool, _ scratch: DialectScratch
  ) -> (step: LaneStep, isUnchanged: Bool, text: UnsafeRawBufferPointer) {
    scratch.emitted.removeAll()
    let id = lanes[lane].id
    var isExact = true
    var text = content
    if hasEscapes || !lanes[lane].text.isClear || UTF8Text.validPrefix(content) != content.count {
      scratch.decoded.removeAll()
      isExact = lanes[lane].text.isClear
      if !lanes[lane].text.append(content, into: &scratch.decoded) { isExact = false }
      if isLast, !lanes[lane].text.isClear {
        lanes[lane].text.end(into: &scratch.decoded)
        isExact = false
      }
      if !lanes[lane].text.isClear { isExact = false }
      text = scratch.decoded.readableBytes
    }
    var step = LaneStep.proceed
    if !text.isEmpty { step = processor.laneDelta(id, text, into: &scratch.emitted) }
    if step == .proceed, isLast {
      lanes[lane].hasEnded = true
      step = processor.laneEnd(id, into: &scratch.emitted)
    }
    let emitted = scratch.emitted.readableBytes
    let isSame =
      emitted.count == text.count
      && (text.isEmpty || memcmp(emitted.baseAddress!, text.baseAddress!, text.count) == 0)
    // What came is valid.
    if !isSame { scratch.repairEmitted() }
    return (step, isExact && isSame, text)
  }

  /// Has the processor count text that passes as it came.
  ///
  /// - Parameter content: of one JSON string, or JSON that is an argument itself.
  func count(_ channel: Channel, _ content: UnsafeRawBufferPointer, hasEscapes: Bool = false) -> LaneStep {
    guard countedChannels.contains(channel), !content.isEmpty else { return .proceed }
    return processor.laneCount(channel, byteCount: hasEscapes ? JSONText.textByteCount(content) : content.count)
  }

  /// Ends a lane; what it releases stands in `scratch.emitted`.
  mutating func end(_ lane: Int, _ scratch: DialectScratch) -> LaneStep {
    guard !lanes[lane].hasEnded else {
      scratch.emitted.removeAll()
      return .proceed
    }
    return run(lane, UnsafeRawBufferPointer(start: nil, count: 0), hasEscapes: false, isLast: true, scratch).step
  }

  /// Lets go what a lane may hold no longer; it stands in `scratch.emitted` then.
  mutating func release(_ lane: Int, at time: MonotonicTime, _ scratch: DialectScratch) -> LaneStep {
    scratch.emitted.removeAll()
    guard !lanes[lane].hasEnded else { return .proceed }
    let step = processor.laneRelease(lanes[lane].id, at: time, into: &scratch.emitted)
    scratch.repairEmitted()
    return step
  }

  /// Marks a lane as ended without asking the processor: what it holds is given up.
  mutating func abandon(_ lane: Int) { lanes[lane].hasEnded = true }
}

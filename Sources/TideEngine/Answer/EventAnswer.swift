import TideCore
import TideDialects

/// An answer in a dialect whose events have names: what the engine writes at its beginning, for each token, and at its end.
///
/// Owned by its exchange. The subclasses know the dialects' words; here stands which token belongs to which block.
class EventAnswer {
  let plan: AnswerPlan
  let request: EngineRequest
  /// Sixteen hexadecimal digits.
  let id: String
  /// Seconds since 1970.
  let created: UInt64
  /// The block that is open, and the position of its first token.
  private(set) var lane: ChunkTemplate.Lane?
  private(set) var laneStart = 0
  /// Blocks that have begun: one for reasoning, one for the rest.
  private(set) var blockCount = 0

  init(_ plan: AnswerPlan, _ request: EngineRequest, id: UInt64, created: UInt64) {
    self.plan = plan
    self.request = request
    let digits = String(id, radix: 16)
    self.id = String(repeating: "0", count: 16 - digits.count) + digits
    self.created = created
  }

  /// The lane of the answer proper: words or a tool's arguments.
  var mainLane: ChunkTemplate.Lane { plan.toolName == nil ? .content : .toolArguments }

  // MARK: Streams

  /// The index of the block that is open.
  var blockIndex: Int { blockCount &- 1 }

  /// Writes token `position`; before it the events between two blocks.
  final func token(_ position: Int, due: UInt64, into out: inout ByteQueue) {
    let token = plan.token(at: position)
    if lane != token.lane { begin(token.lane, at: position, into: &out) }
    token.text.bytes.withUnsafeBytes {
      writeDelta(UnsafeRawBufferPointer(rebasing: $0[token.range]), due: due, into: &out)
    }
  }

  /// Ends the blocks; an answer without tokens has one that is empty.
  final func endBlocks(into out: inout ByteQueue) {
    if lane != mainLane, plan.tokenCount <= plan.reasoningCount {
      begin(mainLane, at: plan.tokenCount, into: &out)
    }
    if lane != nil { endBlock(into: &out) }
    lane = nil
  }

  private func begin(_ next: ChunkTemplate.Lane, at position: Int, into out: inout ByteQueue) {
    if lane != nil { endBlock(into: &out) }
    lane = next
    laneStart = position
    blockCount += 1
    beginBlock(next, into: &out)
  }

  /// The tokens of a range as the content of a JSON string.
  final func writeTokens(_ range: Range<Int>, into out: inout ByteQueue) {
    for position in range {
      let token = plan.token(at: position)
      token.text.bytes.withUnsafeBytes { out.append(UnsafeRawBufferPointer(rebasing: $0[token.range])) }
    }
  }

  final var reasoningRange: Range<Int> { 0..<plan.reasoningCount }
  final var mainRange: Range<Int> { plan.reasoningCount..<max(plan.reasoningCount, plan.tokenCount) }
  /// The tokens of the block that is open.
  final var openRange: Range<Int> { lane == .reasoning ? reasoningRange : mainRange }

  // MARK: The dialect's part

  func open(into out: inout ByteQueue) {}
  func beginBlock(_ lane: ChunkTemplate.Lane, into out: inout ByteQueue) {}
  func writeDelta(_ text: UnsafeRawBufferPointer, due: UInt64, into out: inout ByteQueue) {}
  func endBlock(into out: inout ByteQueue) {}
  /// Ends the answer; without its terminal event when the fault wants that.
  func close(omitsEnd: Bool, into out: inout ByteQueue) {}
  /// An error event, after which the stream ends.
  func writeError(into out: inout ByteQueue) {}
  /// An event of broken JSON.
  func writeMalformed(into out: inout ByteQueue) {}
  /// The answer to a request that is not streamed.
  func writeWhole(into out: inout ByteQueue) {}
}

import TideCore
import TideDialects
import TideLua

/// What the client gets of the answer's text, where a policy asks for it at the end.
extension PolicyLaneProcessor {
  /// Notes what the client gets of a lane, where a policy wants to know.
  func keeping(
    _ lane: LaneID, _ out: inout ByteQueue, _ body: (inout ByteQueue) -> LaneStep
  ) -> LaneStep {
    let before = out.byteCount
    let step = body(&out)
    if lane.channel == .text, lane.choice == 0 {
      run.context.keptText.append(UnsafeRawBufferPointer(rebasing: out.readableBytes[before...]))
    }
    if step == .cut {
      if lane.channel == .toolArgs { wordsAreDue = true } else { keepCut() }
    }
    return step
  }

  /// The answer has ended with a cut. Its words, where it came from a tool call, stand behind what the lanes of text still held.
  public func keepLastWords() {
    guard wordsAreDue else { return }
    wordsAreDue = false
    keepCut()
  }

  func keepCut() {
    var text = decidedCut.text
    text.withUTF8 { run.context.keptText.append(UnsafeRawBufferPointer($0)) }
  }
}

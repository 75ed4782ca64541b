import TideCore
import TideDialects

/// The words of a cut, which are the last of the answer: policies bound before the one that said them see them as text.
///
/// On a lane of text they go on with it. From anywhere else, a lane of reasoning or the answer's end, they are a lane of text of their own,
/// and the dialect adds what comes out of it.
extension PolicyLaneProcessor {
  /// Takes the words of the cut that the stage at `place` has just made.
  ///
  /// - Returns: `.cut`, or `.fail` when a policy that was to see them could not.
  func takeLastWords(_ lane: Int, after place: Int, into out: inout ByteQueue) -> LaneStep {
    guard !decidedCut.text.isEmpty else { return .cut }
    if lanes[lane].id.channel == .text {
      out.append(decidedCut.text)
      decidedCut.text = ""
      return .cut
    }
    guard let (words, own) = beginLastWords(after: place, choice: lanes[lane].id.choice) else { return .cut }
    var passed = ByteQueue()
    let step = words.withUnsafeBytes { flow(lanes[own].stages, place + 1, own, $0, isEnd: true, into: &passed) }
    endLastWords(own, [UInt8](passed.readableBytes))
    return step == .fail ? .fail : .cut
  }

  /// Opens a lane for the words of a cut.
  ///
  /// - Parameter place: the stage that they come from; -1 is before the first.
  /// - Returns: the words and the lane, which is the last; nil where nobody is to see them.
  func beginLastWords(after place: Int, choice: Int32) -> (words: [UInt8], lane: Int)? {
    guard !decidedCut.text.isEmpty, place + 1 < machines.count else { return nil }
    let words = Array(decidedCut.text.utf8)
    decidedCut.text = ""
    let block = lanes.filter { $0.id.choice == choice && $0.id.channel == .text }.map { $0.id.block &+ 1 }.max() ?? 0
    return (words, openLane(LaneID(choice: choice, block: block, channel: .text)))
  }

  /// The words have passed: what is left of them is the cut's text.
  func endLastWords(_ lane: Int, _ words: [UInt8]) {
    decidedCut.text = String(decoding: words, as: UTF8.self) + decidedCut.text
    for stage in lanes[lane].stages { stage.release() }
    lanes.remove(at: lane)
  }

  /// The last stage whose policy is not bound before a binding; -1 where all are.
  func place(of binding: Int) -> Int {
    let order = run.active
    guard let position = order.firstIndex(of: binding) else { return machines.count - 1 }
    let next = machines.firstIndex { machine in
      order.firstIndex(of: machine.binding.index).map { $0 < position } ?? false
    }
    return (next ?? machines.count) - 1
  }
}

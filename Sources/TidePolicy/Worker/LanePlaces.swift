import CPrefetch
import TideCore

/// Where what the next token of a lane will touch stands in memory: of the lane that was opened last, nearly always the only one that runs.
///
/// Addresses alone, to be fetched into the cache and never read: they may be those of memory that is something else by now.
struct LanePlaces {
  /// More policies than nearly any answer passes; those after them are not fetched.
  private static let stageLimit = 4  // The arrays below have as many.
  /// Bytes of each, from its beginning, that a token touches.
  private static let headerByteCount = 32
  private static let laneByteCount = 64
  private static let listByteCount = 64
  private static let stageByteCount = 80
  private static let stateByteCount = 56

  private var lanes: UnsafeRawPointer?
  private var list: UnsafeRawPointer?
  private var stages = InlineArray<4, UnsafeRawPointer?>(repeating: nil)
  /// The tables that hooks get as `s`.
  private var states = InlineArray<4, UnsafeRawPointer?>(repeating: nil)

  init() {}

  init(of open: ContiguousArray<PolicyLaneProcessor.Lane>) {
    guard let last = open.last else { return }
    lanes = open.withUnsafeBufferPointer { Self.storage($0.baseAddress) }
    list = last.stages.withUnsafeBufferPointer { Self.storage($0.baseAddress) }
    for place in 0..<min(last.stages.count, Self.stageLimit) {
      stages[place] = UnsafeRawPointer(Unmanaged.passUnretained(last.stages[place]).toOpaque())
    }
  }

  /// Where the storage of an array begins, whose count of references stands before its elements.
  private static func storage(_ elements: UnsafeRawPointer?) -> UnsafeRawPointer? {
    elements.map { $0 - headerByteCount }
  }

  /// Notes the state of a stage, which is made with its first text.
  mutating func note(_ stage: LaneStage, state: UnsafeRawPointer?) {
    let address = UnsafeRawPointer(Unmanaged.passUnretained(stage).toOpaque())
    for place in 0..<Self.stageLimit where stages[place] == address { states[place] = state }
  }

  func prefetch() {
    guard let lanes else { return }
    cprefetch(lanes, Self.laneByteCount)
    cprefetch(list, Self.listByteCount)
    for place in 0..<Self.stageLimit {
      guard let stage = stages[place] else { return }
      cprefetch(stage, Self.stageByteCount)
      if let state = states[place] { cprefetch(state, Self.stateByteCount) }
    }
  }
}

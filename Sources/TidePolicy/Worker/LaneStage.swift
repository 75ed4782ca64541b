import TideCore
import TideDialects
import TideLua

/// One binding's state of one lane.
final class LaneStage {
  enum Status: UInt8 {
    /// No text yet: `on_lane` has not run.
    case fresh
    case ready
    /// It ended the answer by failing: text that it held is not released.
    case broken
  }

  let machine: BindingMachine
  let isSubscribed: Bool
  var status = Status.fresh
  /// The machine that the references belong to; another one's are void.
  var epoch: UInt32 = 0
  /// The table that the lane's hooks get as `s`.
  var state: LuaRef?
  var lane: LuaRef?
  var ownsLane = false
  /// At an address of its own, as `LaneScratch.Buffer`.
  let segmenter: UnsafeMutablePointer<Segmenter>?
  /// At an address of its own, too; nil where no filter looks for anything.
  let filters: UnsafeMutablePointer<LaneFilters>?
  /// The `limit` filters of all lanes.
  let limits: AnswerLimits?

  init(_ machine: BindingMachine, _ lane: LaneID, _ state: FilterState, limits: AnswerLimits?) {
    self.machine = machine
    self.limits = limits
    filters = machine.binding.filters.flatMap { Self.filters($0, lane.channel, state) }
    isSubscribed = machine.binding.hookChannels.contains(lane.channel)
    guard isSubscribed, let unit = machine.binding.manifest.segment else {
      segmenter = nil
      return
    }
    let segmenter = UnsafeMutablePointer<Segmenter>.allocate(capacity: 1)
    segmenter.initialize(to: Segmenter(unit: unit))
    self.segmenter = segmenter
  }

  private static func filters(
    _ program: FilterProgram, _ channel: Channel, _ state: FilterState
  ) -> UnsafeMutablePointer<LaneFilters>? {
    guard let filters = LaneFilters(program, channel, disabled: state.disabled) else { return nil }
    let pointer = UnsafeMutablePointer<LaneFilters>.allocate(capacity: 1)
    pointer.initialize(to: filters)
    return pointer
  }

  deinit {
    filters?.deinitialize(count: 1)
    filters?.deallocate()
    segmenter?.deinitialize(count: 1)
    segmenter?.deallocate()
  }

  @inline(__always)
  var hasFilters: Bool { filters != nil || limits != nil }

  /// When what its filters hold has waited for as long as it may.
  var releaseTime: MonotonicTime? {
    guard let filters, let since = filters.pointee.scanner.heldSince else { return nil }
    return since.advanced(byMs: filters.pointee.scanner.filters.hold.timeMs)
  }

  func release() {
    if epoch == machine.epoch {
      if let state { machine.machine.release(state) }
      if let lane, ownsLane { machine.machine.release(lane) }
    }
    state = nil
    lane = nil
  }
}

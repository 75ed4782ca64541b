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

  init(_ machine: BindingMachine, _ lane: LaneID) {
    self.machine = machine
    isSubscribed = machine.binding.manifest.channels.contains(lane.channel)
    guard isSubscribed, let unit = machine.binding.manifest.segment else {
      segmenter = nil
      return
    }
    let segmenter = UnsafeMutablePointer<Segmenter>.allocate(capacity: 1)
    segmenter.initialize(to: Segmenter(unit: unit))
    self.segmenter = segmenter
  }

  deinit {
    segmenter?.deinitialize(count: 1)
    segmenter?.deallocate()
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

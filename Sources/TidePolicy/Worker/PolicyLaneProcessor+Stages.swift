import TideCore
import TideDialects
import TideLua

/// Text on its way from stage to stage, and what a stage needs before its hooks run.
extension PolicyLaneProcessor {
  func flow(
    _ stages: [LaneStage], _ place: Int, _ lane: Int, _ text: UnsafeRawBufferPointer, isEnd: Bool,
    due: MonotonicTime? = nil, into out: inout ByteQueue
  ) -> LaneStep {
    guard place < stages.count else {
      // Only a budget counts the answer.
      out.append(text)
      return .proceed
    }
    let stage = stages[place]
    guard place + 1 < stages.count else {
      return flowLast(stage, place, lane, text, isEnd: isEnd, due: due, into: &out)
    }
    let buffer = worker.scratch.buffers[place]
    buffer.queue.pointee.removeAll()
    var step = process(stage, lane, text, isEnd: isEnd, due: due, into: &buffer.queue.pointee)
    if step == .cut { step = takeLastWords(lane, after: place, into: &buffer.queue.pointee) }
    // After a cut the stages that follow release what they hold: it came before.
    let isLast = isEnd || step != .proceed
    guard isLast || due != nil || !buffer.queue.pointee.isEmpty else { return .proceed }
    let next = flow(stages, place + 1, lane, buffer.queue.pointee.readableBytes, isEnd: isLast, due: due, into: &out)
    if step != .proceed { lanes[lane].hasEnded = true }
    return step == .fail || next == .fail ? .fail : step == .proceed ? next : step
  }

  /// The last stage's part of `flow`.
  @inline(__always)
  func flowLast(
    _ stage: LaneStage, _ place: Int, _ lane: Int, _ text: UnsafeRawBufferPointer, isEnd: Bool, due: MonotonicTime?,
    into out: inout ByteQueue
  ) -> LaneStep {
    var step = process(stage, lane, text, isEnd: isEnd, due: due, into: &out)
    if step == .cut { step = takeLastWords(lane, after: place, into: &out) }
    if step != .proceed { lanes[lane].hasEnded = true }
    return step
  }

  /// One stage's hooks: `on_lane` with the first text, `on_token`, `on_segment`, at the end `on_lane_end`.
  func runHooks(
    _ stage: LaneStage, _ lane: Int, _ text: UnsafeRawBufferPointer, isEnd: Bool, into out: inout ByteQueue
  ) -> LaneStep {
    guard stage.isSubscribed else {
      out.append(text)
      return .proceed
    }
    if stage.status == .broken { return .proceed }
    if stage.status == .fresh && text.isEmpty { return .proceed }
    if stage.status == .fresh || stage.epoch != stage.machine.epoch {
      if let step = prepare(stage, lanes[lane].id, text, into: &out) { return step }
    }
    let hooks = stage.machine.binding.hooks
    var step = LaneStep.proceed
    if !text.isEmpty, hooks.contains(.onToken) {
      if stage.segmenter == nil {
        step = token(stage, text, into: &out)
      } else {
        worker.scratch.token.queue.pointee.removeAll()
        step = token(stage, text, into: &worker.scratch.token.queue.pointee)
        let passed = worker.scratch.token.queue.pointee.readableBytes
        if !passed.isEmpty {
          let segmentStep = segments(stage, lane, passed, isEnd: isEnd || step != .proceed, into: &out)
          step = step == .proceed ? segmentStep : step
        }
      }
    } else if stage.segmenter != nil {
      step = segments(stage, lane, text, isEnd: isEnd, into: &out)
    } else {
      out.append(text)
    }
    // A unit that waits is judged before the lane's end.
    let isHeld = stage.machine.binding.manifest.segmentWaits && stage.segmenter != nil
    guard isEnd, step == .proceed, hooks.contains(.onLaneEnd), !isHeld else { return step }
    return laneEnded(stage, lanes[lane].id, into: &out)
  }

  /// Makes the stage ready for its hooks.
  ///
  /// - Returns: nil when it is, else what to do with the text.
  func prepare(
    _ stage: LaneStage, _ lane: LaneID, _ text: UnsafeRawBufferPointer, into out: inout ByteQueue
  ) -> LaneStep? {
    let hooks = stage.machine.binding.hooks
    let hook: HookName = hooks.contains(.onLane) ? .onLane : hooks.contains(.onToken) ? .onToken : .onSegment
    // Where nothing runs now, the hook that is to come is the trial.
    let isReady = hook == .onLane ? stage.machine.mayRun(hook) : stage.machine.couldRun(hook)
    guard isReady else { return refused(stage, hook, text, into: &out) }
    do throws(LuaFailure) {
      try open(stage, lane)
      return nil
    } catch {
      stage.machine.failed(hook, error, exchangeID: run.context.id)
      return refused(stage, hook, text, into: &out)
    }
  }

  /// Runs `on_lane` and holds what the lane's hooks need. After an abort it runs again: the new machine has no trace of
  /// the old one's `s`, and an exchange that did nothing wrong must go on.
  func open(_ stage: LaneStage, _ lane: LaneID) throws(LuaFailure) {
    let machine = stage.machine
    // What an aborted machine held went with it.
    stage.state = nil
    stage.lane = nil
    do throws(LuaFailure) {
      guard let held = worker.laneReference(lane, machine) else {
        throw LuaFailure(kind: .memoryAbort, message: "not enough memory for a lane")
      }
      stage.lane = held.reference
      stage.ownsLane = held.isOwned
      stage.epoch = machine.epoch
      if machine.binding.hooks.contains(.onLane), let function = machine.function(.onLane) {
        let contextReference = try run.contextReference(machine)
        let start = MonotonicTime.now()
        machine.host.hookBegins(.onLane, run.context, variables: contextReference.variables)
        let outcome = machine.machine.callHolding(
          function,
          arguments: [.reference(contextReference.context), .reference(machine.config), .reference(held.reference)],
          budgetNs: machine.binding.manifest.budgets.cpu(.onLane))
        machine.host.hookEnded()
        machine.noteCall(.onLane, since: start)
        if let result = try outcome.get() {
          stage.state = result.reference
          guard result.typeName == "table" else {
            throw LuaFailure(
              kind: .error, message: "on_lane returned a \(result.typeName); it may return nil or a table",
              file: machine.binding.source.path)
          }
        }
        machine.succeeded(.onLane)
      }
      if stage.state == nil { stage.state = try machine.machine.referenceTable() }
      stage.status = .ready
      if let state = stage.state { places.note(stage, state: machine.machine.address(of: state)) }
    } catch {
      if stage.epoch == machine.epoch {
        if let state = stage.state { machine.machine.release(state) }
        if let lane = stage.lane, stage.ownsLane { machine.machine.release(lane) }
      }
      stage.state = nil
      stage.lane = nil
      stage.epoch = 0
      throw error
    }
  }
}

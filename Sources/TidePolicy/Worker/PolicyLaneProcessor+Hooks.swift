import TideCore
import TideDialects
import TideLua

/// The hooks of one stage, each with its budget and its measure.
extension PolicyLaneProcessor {
  func token(_ stage: LaneStage, _ text: UnsafeRawBufferPointer, into out: inout ByteQueue) -> LaneStep {
    let machine = stage.machine
    guard machine.couldRun(.onToken), let function = machine.function(.onToken), let state = stage.state,
      let lane = stage.lane, machine.mayRun(.onToken)
    else { return refused(stage, .onToken, text, into: &out) }
    let budget = Self.budget(machine.tokenBudgetNs, text.count)
    machine.host.hookBegins(.onToken, context, variables: nil)
    let measure = machine.beginLaneCall()
    var problem: LuaFailure?
    var step = LaneStep.proceed
    switch machine.machine.callText(function, state: state, text: text, lane: lane, budgetNs: budget) {
    case .pass: out.append(text)
    case .replaced(let bytes): Self.append(bytes, into: &out)
    case .verdict(let opaque):
      problem = accept(stage, .onToken, opaque)
      step = .cut
    case .badType(let name):
      problem = failure(stage, .onToken, "returned a \(name); it may return nil, a string or tide.cut")
    case .failed(let failure): problem = failure
    }
    machine.endLaneCall(.onToken, measure, calls: 1, budgetNs: budget)
    machine.host.hookEnded()
    if let problem {
      step = failed(stage, .onToken, problem)
      if step == .proceed { out.append(text) }
    } else if !machine.breaker.isClosed {
      machine.succeeded(.onToken)
    }
    return step
  }

  func segments(
    _ stage: LaneStage, _ lane: Int, _ text: UnsafeRawBufferPointer, isEnd: Bool, into out: inout ByteQueue
  ) -> LaneStep {
    guard stage.machine.couldRun(.onSegment), stage.state != nil else {
      return refused(stage, .onSegment, text, into: &out)
    }
    if let waiting, stage.machine.binding.manifest.segmentWaits {
      waiting.collect(stage, text, isEnd: isEnd)
      return .proceed
    }
    var step = LaneStep.proceed
    stage.segmenter?.pointee.feedBatch(text) { buffer, pieces in
      step = units(stage, buffer, pieces, into: &out)
    }
    guard isEnd, step == .proceed else { return step }
    if stage.epoch != stage.machine.epoch {
      // The batch aborted the machine, and a skipped failure let it pass: what is held needs a new `s`.
      if let refusal = prepare(stage, lanes[lane].id, UnsafeRawBufferPointer(start: nil, count: 0), into: &out) {
        return refusal
      }
    }
    stage.segmenter?.pointee.finishBatch { buffer, pieces in
      step = units(stage, buffer, pieces, into: &out)
    }
    return step
  }

  /// Runs `on_segment` over the units of one buffer and appends the buffer with what the hook changed.
  private func units(
    _ stage: LaneStage, _ buffer: UnsafeRawBufferPointer, _ pieces: UnsafeBufferPointer<Segment>,
    into out: inout ByteQueue
  ) -> LaneStep {
    guard let base = buffer.baseAddress, let last = pieces.last else { return .proceed }
    let end = Int(last.end)
    let machine = stage.machine
    let found = worker.scratch.ranges
    found.pointee.removeAll(keepingCapacity: true)
    for piece in pieces where piece.isUnit {
      found.pointee.append(LuaMachine.TextRange(offset: Int(piece.start), length: Int(piece.end &- piece.start)))
    }
    guard !found.pointee.isEmpty, let function = machine.function(.onSegment), let state = stage.state,
      let lane = stage.lane
    else {
      out.append(UnsafeRawBufferPointer(start: base, count: end))
      return .proceed
    }
    guard machine.mayRun(.onSegment) else {
      let step = failureStep(stage, .onSegment)
      if step == .proceed { out.append(UnsafeRawBufferPointer(start: base, count: end)) }
      return step
    }
    let budget = Self.budget(machine.segmentBudgetNs, end)
    machine.host.hookBegins(.onSegment, context, variables: nil)
    let measure = machine.beginLaneCall()
    var copied = 0
    var step = LaneStep.proceed
    var problem: LuaFailure?
    found.pointee.withUnsafeBufferPointer { ranges in
      machine.machine.callTextBatch(
        function, state: state, lane: lane, base: base, segments: ranges, budgetNs: budget
      ) { index, outcome in
        let unit = ranges[index]
        switch outcome {
        case .pass: return true
        case .replaced(let bytes):
          out.append(UnsafeRawBufferPointer(start: base + copied, count: unit.offset &- copied))
          Self.append(bytes, into: &out)
          copied = unit.offset &+ unit.length
          return true
        case .verdict(let opaque):
          problem = accept(stage, .onSegment, opaque)
          if problem == nil { step = .cut }
        case .badType(let name):
          problem = failure(stage, .onSegment, "returned a \(name); it may return nil, a string or tide.cut")
        case .failed(let failure): problem = failure
        }
        out.append(UnsafeRawBufferPointer(start: base + copied, count: unit.offset &- copied))
        copied = unit.offset
        return false
      }
    }
    machine.endLaneCall(.onSegment, measure, calls: found.pointee.count, budgetNs: budget)
    machine.host.hookEnded()
    if let problem {
      // With `skip` the rest of this batch passes as it is; the next one is tried again.
      step = failed(stage, .onSegment, problem)
    } else if !machine.breaker.isClosed {
      machine.succeeded(.onSegment)
    }
    if step == .proceed { out.append(UnsafeRawBufferPointer(start: base + copied, count: end &- copied)) }
    return step
  }

  func laneEnded(_ stage: LaneStage, _ id: LaneID, into out: inout ByteQueue) -> LaneStep {
    let empty = UnsafeRawBufferPointer(start: nil, count: 0)
    let machine = stage.machine
    if stage.epoch != machine.epoch, let refusal = prepare(stage, id, empty, into: &out) { return refusal }
    guard machine.couldRun(.onLaneEnd), let function = machine.function(.onLaneEnd), let state = stage.state,
      let lane = stage.lane, machine.mayRun(.onLaneEnd)
    else { return failureStep(stage, .onLaneEnd) }
    let start = MonotonicTime.now()
    machine.host.hookBegins(.onLaneEnd, run.context, variables: nil)
    let outcome = machine.machine.call(
      function, arguments: [.reference(state), .reference(lane)],
      budgetNs: machine.binding.manifest.budgets.cpu(.onLaneEnd))
    machine.host.hookEnded()
    machine.noteCall(.onLaneEnd, since: start)
    switch outcome {
    case .returned(.nilValue): break
    case .returned(.string(let bytes)): bytes.withUnsafeBytes { Self.append($0, into: &out) }
    case .returned(let value):
      return failed(
        stage, .onLaneEnd, failure(stage, .onLaneEnd, "returned a \(value.typeName); it may return nil or a string"))
    case .yielded(let token):
      machine.machine.cancel(token)
      return failed(stage, .onLaneEnd, failure(stage, .onLaneEnd, "cannot wait"))
    case .failed(let problem): return failed(stage, .onLaneEnd, problem)
    }
    machine.succeeded(.onLaneEnd)
    return .proceed
  }

  /// The budget is one of a KiB of text.
  @inline(__always)
  private static func budget(_ kibibyteNs: UInt64, _ byteCount: Int) -> UInt64 {
    kibibyteNs &* (UInt64(truncatingIfNeeded: byteCount) >> 10 &+ 1)
  }

  /// Appends what a script returned, as valid UTF-8: the next policy, and the client, must be able to rely on it.
  static func append(_ bytes: UnsafeRawBufferPointer, into out: inout ByteQueue) {
    var isPlain = true
    for byte in bytes where byte >= 0x80 {
      isPlain = false
      break
    }
    if isPlain || String(validating: bytes, as: UTF8.self) != nil {
      out.append(bytes)
    } else {
      out.append(String(decoding: bytes, as: UTF8.self))
    }
  }
}

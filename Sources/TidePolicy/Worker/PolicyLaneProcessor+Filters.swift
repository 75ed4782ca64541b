import TideCore
import TideDialects
import TideLua

/// One stage's filters, which run before its hooks.
extension PolicyLaneProcessor {
  /// One stage: its filters, then its hooks with what they let through.
  ///
  /// - Parameter due: what has waited up to this time may wait no longer.
  func process(
    _ stage: LaneStage, _ lane: Int, _ text: UnsafeRawBufferPointer, isEnd: Bool, due: MonotonicTime?,
    into out: inout ByteQueue
  ) -> LaneStep {
    guard stage.hasFilters else {
      if text.isEmpty, !isEnd { return .proceed }
      return runHooks(stage, lane, text, isEnd: isEnd, into: &out)
    }
    if stage.status == .broken { return .proceed }
    let buffer = worker.scratch.filtered
    buffer.queue.pointee.removeAll()
    let step = filter(stage, lanes[lane].id, text, isEnd: isEnd, due: due, into: &buffer.queue.pointee)
    if step == .fail { return .fail }
    // After a cut the hooks release what they hold: it came before.
    let isLast = isEnd || step != .proceed
    guard isLast || !buffer.queue.pointee.isEmpty else { return .proceed }
    let next = runHooks(stage, lane, buffer.queue.pointee.readableBytes, isEnd: isLast, into: &out)
    return next == .fail || step == .proceed ? next : step
  }

  private func filter(
    _ stage: LaneStage, _ lane: LaneID, _ text: UnsafeRawBufferPointer, isEnd: Bool, due: MonotonicTime?,
    into out: inout ByteQueue
  ) -> LaneStep {
    var text = text
    var isReached = false
    if let limits = stage.limits {
      let admitted = limits.admit(lane.channel, text)
      text = UnsafeRawBufferPointer(rebasing: text[..<admitted.byteCount])
      isReached = admitted.isReached
    }
    var step = FilterStep.proceed
    matchCut = LaneCut(finishReason: "content_filter")
    matchFailure = nil
    if let filters = stage.filters {
      let machine = stage.machine
      let measure = machine.beginLaneCall()
      func ask(_ match: FilterMatch, _ out: inout ByteQueue) -> FilterDecision {
        decide(stage, lane, filters.pointee.places[match.filter], match, into: &out)
      }
      step = filters.pointee.scanner.feed(text, now: run.now, into: &out, onMatch: ask)
      if step == .proceed, isEnd || isReached {
        step = filters.pointee.scanner.finish(into: &out, onMatch: ask)
      } else if step == .proceed, let due, let time = stage.releaseTime, time <= due {
        step = filters.pointee.scanner.flush(.time, into: &out, onMatch: ask)
      }
      machine.endLaneCall(.filters, measure, calls: 1, budgetNs: .max)
    } else {
      out.append(text)
    }
    if let matchFailure { return matchFailure }
    if step == .proceed {
      guard isReached else { return .proceed }
      matchCut = LaneCut(finishReason: "length")
    }
    end(with: matchCut)
    run.note(.cut, by: stage.machine)
    return .cut
  }

  /// What becomes of a match: a placeholder's original, or what `on_match` says.
  private func decide(
    _ stage: LaneStage, _ lane: LaneID, _ place: Int, _ match: FilterMatch, into out: inout ByteQueue
  ) -> FilterDecision {
    let machine = stage.machine
    if case .restore(let name)? = machine.binding.filters?.declared[place].declaration.action {
      guard let original = run.context.filterStates[machine.binding.index]?.maps[name]?.original(of: match.text) else {
        return .standard
      }
      out.append(original)
      return .replaced
    }
    guard machine.onMatch(filter: place) != nil else { return .standard }
    let outcome: LuaTextOutcome
    do throws(LuaFailure) {
      guard let called = try callOnMatch(stage, lane, place, match) else {
        return refused(by: failureStep(stage, .filters))
      }
      outcome = called
    } catch {
      return refused(by: failed(stage, .filters, error))
    }
    var problem: LuaFailure?
    var decision = FilterDecision.standard
    switch outcome {
    case .pass: break
    case .replaced(let bytes):
      Self.append(bytes, into: &out)
      decision = .replaced
    case .verdict(let opaque):
      switch machine.host.verdict(opaque) {
      case .cut(let asked)?:
        matchCut = asked
        decision = .cut
      case let verdict?: problem = self.failure(stage, .filters, "on_match cannot return \(verdict.name)")
      case nil: problem = self.failure(stage, .filters, "on_match returned a verdict that was made in another call")
      }
    case .badType(let name):
      problem = self.failure(stage, .filters, "on_match returned a \(name); it may return nil, a string or tide.cut")
    case .failed(let error): problem = error
    }
    machine.host.hookEnded()
    if let problem { return refused(by: failed(stage, .filters, problem)) }
    if !machine.breaker.isClosed { machine.succeeded(.filters) }
    return decision
  }

  /// - Returns: nil when the binding may not run. The host's hook is yet to be ended.
  private func callOnMatch(
    _ stage: LaneStage, _ lane: LaneID, _ place: Int, _ match: FilterMatch
  ) throws(LuaFailure) -> LuaTextOutcome? {
    let machine = stage.machine
    guard machine.mayRun(.filters) else { return nil }
    if stage.status == .fresh || stage.epoch != machine.epoch { try open(stage, lane) }
    guard let function = machine.onMatch(filter: place), let state = stage.state, let description = stage.lane else {
      machine.gaveUp()
      return nil
    }
    machine.host.hookBegins(.filters, run.context, variables: nil)
    return machine.machine.callMatch(
      function, state: state, kind: match.kind, text: match.text, lane: description,
      budgetNs: machine.binding.manifest.budgets.cpu(.filters))
  }

  /// A failure that is skipped leaves the match to what the filter declares; any other ends the answer.
  private func refused(by step: LaneStep) -> FilterDecision {
    guard step != .proceed else { return .standard }
    matchFailure = step
    return .cut
  }
}

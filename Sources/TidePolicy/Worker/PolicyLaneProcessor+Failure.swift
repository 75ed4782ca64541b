import TideCore
import TideDialects
import TideLua

/// How an answer ends early: by a verdict, or by what `failure` says of a hook that did not do its work.
extension PolicyLaneProcessor {
  /// The hook cannot run: its failure action, for a text that stays as it is.
  func refused(
    _ stage: LaneStage, _ hook: HookName, _ text: UnsafeRawBufferPointer, into out: inout ByteQueue
  ) -> LaneStep {
    let step = failureStep(stage, hook)
    if step == .proceed {
      releaseHeld(stage, into: &out)
      out.append(text)
    }
    return step
  }

  /// Lets held text pass as it came, so that a skipped hook keeps the order.
  private func releaseHeld(_ stage: LaneStage, into out: inout ByteQueue) {
    stage.segmenter?.pointee.finish { piece, _ in out.append(piece) }
  }

  func failureStep(_ stage: LaneStage, _ hook: HookName) -> LaneStep {
    let action = stage.machine.binding.failureAction(hook)
    if action == .skip { return .proceed }
    stage.status = .broken
    hasCut = true
    run.note(.error, by: stage.machine)
    if action == .deny && !isFirstByteSent { return .fail }
    decidedCut = LaneCut(finishReason: "content_filter")
    return .cut
  }

  /// A policy ends the answer.
  func end(with cut: LaneCut) {
    decidedCut = cut
    hasCut = true
  }

  /// - Parameter wait: how it waited, if it did.
  func failed(_ stage: LaneStage, _ hook: HookName, _ failure: LuaFailure, _ wait: HookWait? = nil) -> LaneStep {
    stage.machine.failed(
      hook, failure, exchangeID: run.context.id, isOutage: wait?.metOutage ?? false, isTrial: wait?.isTrial ?? true)
    return failureStep(stage, hook)
  }

  func failure(_ stage: LaneStage, _ hook: HookName, _ message: String) -> LuaFailure {
    LuaFailure(kind: .error, message: "\(hook.name) \(message)", file: stage.machine.binding.source.path)
  }

  /// The cut that a verdict asks for, or why the verdict is none for a lane.
  func accept(_ stage: LaneStage, _ hook: HookName, _ opaque: LuaOpaque) -> LuaFailure? {
    guard let verdict = stage.machine.host.verdict(opaque) else {
      return failure(stage, hook, "returned a verdict that was made in another call")
    }
    guard case .cut(let cut) = verdict, verdict.isLegal(in: hook) else {
      return failure(stage, hook, "cannot return \(verdict.name)")
    }
    end(with: cut)
    run.note(.cut, by: stage.machine)
    return nil
  }
}

import TideCore

/// The ways an answer ends.
extension ChatStream {
  /// Ends the answer at its terminal marker: lanes that are still open, finish events that waited, the marker.
  ///
  /// - Parameter terminator: the marker as it came; empty when the upstream forgot it.
  func endAnswer(terminator: UnsafeRawBufferPointer, into out: inout ByteQueue) {
    lastWasForwarded = false
    if lanes != nil {
      for lane in lanes!.lanes.indices where !lanes!.lanes[lane].hasEnded {
        let step = lanes!.end(lane, scratch)
        writeEmitted(lane, into: &out)
        if step == .fail {
          progress = .failed(.policy)
          return
        }
        if step == .cut { return finishCut(choice: lanes!.lanes[lane].id.choice, lane: lane, into: &out) }
      }
    }
    releaseFinish(into: &out)
    guard !progress.isOver, grammar.terminate() else { return }
    if terminator.isEmpty {
      out.append("data: [DONE]\n\n")
    } else {
      out.append(terminator)
      lastWasForwarded = true
    }
    progress = .complete
  }

  /// Sends the text that lanes may hold no longer, as events of its own.
  public func release(at time: MonotonicTime, into out: inout ByteQueue) -> StreamProgress {
    guard !progress.isOver, lanes != nil else { return progress }
    for lane in lanes!.lanes.indices {
      let step = lanes!.release(lane, at: time, scratch)
      writeEmitted(lane, into: &out)
      if step == .fail {
        progress = .failed(.policy)
      } else if step == .cut {
        finishCut(choice: lanes!.lanes[lane].id.choice, lane: lane, into: &out)
      }
      if progress.isOver { break }
    }
    return progress
  }

  /// Sends the finish events that waited for the usage, once the policies have agreed.
  func releaseFinish(into out: inout ByteQueue) {
    guard options.holdFinishForUsage, !answerHasEnded else { return }
    answerHasEnded = true
    switch options.processor?.answerEnd(usage) ?? .proceed {
    case .proceed: break
    case .fail:
      progress = .failed(.policy)
      return
    case .cut:
      heldFinish.removeAll()
      let choice = grammar.reasons.first?.choice ?? 0
      grammar.reopen()
      return writeCut(options.processor?.cut ?? LaneCut(), choice: choice, into: &out)
    }
    out.append(heldFinish.readableBytes)
    heldFinish.removeAll()
  }

  /// Ends the answer from outside, well formed. What lanes hold is released first, which may have to wait.
  ///
  /// - Parameter choice: gets the cut's text; nil is the first that has not finished.
  @discardableResult
  public func cut(_ cut: LaneCut, choice: Int32? = nil, into out: inout ByteQueue) -> StreamProgress {
    guard !progress.isOver, heldEvent == nil else { return progress }
    let choice = choice ?? grammar.unfinished.first ?? 0
    let isDone = attempt(0, HeldEvent(.cut(cut, choice: choice)), into: &out) {
      writeCut(cut, choice: choice, into: &$0)
    }
    return isDone ? progress : .waiting
  }

  /// Ends the answer after the processor's `.cut` on a lane; what that lane holds is given up.
  func finishCut(choice: Int32, lane: Int?, into out: inout ByteQueue) {
    if let lane { lanes?.abandon(lane) }
    writeCut(options.processor?.cut ?? LaneCut(), choice: choice, into: &out)
  }

  func writeCut(_ cut: LaneCut, choice: Int32, into out: inout ByteQueue) {
    answerHasEnded = true
    lastWasForwarded = false
    if lanes != nil {
      for lane in lanes!.lanes.indices where !lanes!.lanes[lane].hasEnded {
        if lanes!.end(lane, scratch) == .fail {
          progress = .failed(.policy)
          return
        }
        writeEmitted(lane, into: &out)
      }
    }
    out.append(heldFinish.readableBytes)
    heldFinish.removeAll()
    var text = cut.text
    text.withUTF8 {
      writeText(UnsafeRawBufferPointer($0), choice: choice, key: isLegacy ? .legacyText : .content, into: &out)
    }
    _ = grammar.begin(choice)
    for unfinished in grammar.unfinished {
      currentTemplate.writeFinish(cut.finishReason, choice: unfinished, isLegacy: isLegacy, into: &out)
      grammar.finish(unfinished, cut.finishReason)
    }
    if options.includeUsageRequested { currentTemplate.writeUsage(usage, into: &out) }
    if grammar.terminate() { out.append("data: [DONE]\n\n") }
    progress = .cut
  }

  /// Tells the client that its answer broke off: the dialect's error event, once, and never a terminal marker.
  ///
  /// Call it when the upstream died after the head, or after `.failed`. An incomplete event and held text are dropped. After an end that
  /// the client already knows it writes nothing.
  public func writeError(_ failure: StreamFailure, into out: inout ByteQueue) {
    switch progress {
    case .complete, .cut, .failed(.upstreamError): return
    default: break
    }
    guard !errorIsWritten, !grammar.isTerminated else { return }
    errorIsWritten = true
    progress = .failed(failure)
    out.append("data: ")
    ErrorShape.writeOpenAI(
      status: 500, message: failure.message, type: "server_error", param: nil, code: failure.code, into: &out)
    out.append("\n\n")
  }
}

extension StreamFailure {
  /// The code clients and logs see.
  public var code: String {
    switch self {
    case .malformed: "upstream_malformed_event"
    case .badArguments: "tool_arguments_malformed"
    case .tooLarge: "upstream_event_too_large"
    case .upstreamError: "upstream_error"
    case .policy: "policy_error"
    case .truncated: "upstream_stream_interrupted"
    case .undecodable: "upstream_undecodable"
    case .timedOut: "upstream_timeout"
    case .drained: "gateway_draining"
    }
  }

  /// The sentence clients see; the upstream's own words are never repeated.
  public var message: String {
    switch self {
    case .malformed: "The upstream sent an event that could not be read."
    case .badArguments:
      "The model called a tool with arguments that are not valid JSON, so that no policy could read them. Try again; if the answer was cut short, allow it more tokens."
    case .tooLarge: "The upstream sent an event that is too large."
    case .upstreamError: "The upstream reported an error."
    case .policy: "A policy of the gateway failed; the answer was stopped."
    case .truncated: "The upstream ended the stream before the answer was complete."
    case .undecodable: "The upstream's answer could not be decoded; it is incomplete."
    case .timedOut: "The upstream was silent for too long; the answer is incomplete."
    case .drained: "The gateway is shutting down; the answer is incomplete."
    }
  }
}

import TideCore

/// The token stream. Everything here runs per beat: no String, no array is made, and a token costs one reservation in the
/// output queue and a few copies into it.
extension EngineExchange {
  /// Sends the head and what is due, after the delay if there was one.
  func begin(_ now: MonotonicTime) {
    guard let stream, let request, let plan else { return }
    guard request.isStream else { return answerWhole() }
    stream.send(owner.streamHead, endStream: false)
    phase = .streaming
    if let events {
      events.open(into: &stream.output)
    } else if template?.endpoint == .chat {
      for index in 0..<choiceCount { openChoice(index, plan, to: stream) }
    }
    advance(now)
  }

  /// Sends every token that is due, then waits for the next beat, for room, or ends.
  func advance(_ now: MonotonicTime) {
    guard phase == .streaming, let streamPlace, let planPlace else { return }
    streamPlace._withUnsafeGuaranteedRef { stream in
      planPlace._withUnsafeGuaranteedRef { advance(now, $0, to: stream) }
    }
  }

  @inline(__always)
  private func advance(_ now: MonotonicTime, _ plan: AnswerPlan, to stream: HTTPStream) {
    let total = plan.tokenCount
    while true {
      if position == faults.breaksAfter, !breaks(stream) { return }
      if position >= total {
        close(plan, to: stream)
        return
      }
      if intervalNs > 0, nextDue > now {
        stream.outputChanged()
        scheduleBeat()
        return
      }
      if stream.output.byteCount >= Self.outputLimit {
        phase = .paused
        stream.outputChanged()
        return
      }
      sendToken(plan, to: stream)
      position &+= 1
      nextDue = intervalNs > 0 ? nextDue.advanced(byNs: intervalNs) : now
    }
  }

  @inline(__always)
  private func sendToken(_ plan: AnswerPlan, to stream: HTTPStream) {
    let due = tellsDue ? nextDue.nanoseconds : 0
    guard let templatePlace else {
      events?.token(position, due: due, into: &stream.output)
      return
    }
    let (lane, place, range) = plan.place(of: position)
    templatePlace._withUnsafeGuaranteedRef { template in
      place._withUnsafeGuaranteedRef { text in
        var index = 0
        while index < choiceCount {
          stream.output.append(upTo: template.room(tokenBytes: range.count)) { room in
            var writer = ByteWriter(room)
            template.token(
              &writer, key, index: index, lane: lane, text: text.bytes, range, due: due, hasUsage: hasUsageField)
            return writer.count
          }
          index &+= 1
        }
      }
    }
  }

  /// Acts on the fault at this position. Returns whether the stream goes on.
  private func breaks(_ stream: HTTPStream) -> Bool {
    // Once: a stream that goes on has passed it.
    faults.breaksAfter = .max
    switch faults.breaks {
    case .none: return true
    case .die:
      phase = .dying
    case .eof:
      phase = .ended
      stream.end()
      return false
    case .stall:
      phase = .silent
    case .malformed:
      if let events {
        events.writeMalformed(into: &stream.output)
      } else {
        stream.output.append(
          "data: {\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"bro\n\n")
      }
      return true
    case .error:
      if let events {
        events.writeError(into: &stream.output)
      } else {
        stream.output.append("data: ")
        JSONAnswers.refusal(500).bytes.withBytes { stream.output.append($0) }
        stream.output.append("\n\n")
      }
      phase = .ended
      stream.end()
      return false
    }
    if phase == .dying, stream.output.isEmpty {
      breakOff()
    } else {
      stream.outputChanged()
    }
    return false
  }

  /// The role of choice `index` and, for a tool call, its name.
  private func openChoice(_ index: Int, _ plan: AnswerPlan, to stream: HTTPStream) {
    guard let template else { return }
    append(to: stream, template, extra: 0) { writer in
      writer.write("{\"index\":")
      writer.write(decimal: UInt64(index))
      writer.write(",\"delta\":{\"role\":\"assistant\",\"content\":")
      writer.write(plan.toolName == nil ? "\"\"" : "null")
      writer.write("},\"finish_reason\":null}")
    }
    guard let toolName = plan.toolName else { return }
    append(to: stream, template, extra: toolName.count) { writer in
      writer.write("{\"index\":")
      writer.write(decimal: UInt64(index))
      writer.write(",\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"call_")
      writer.write(decimal: UInt64(index) &+ 1)
      writer.write("\",\"type\":\"function\",\"function\":{\"name\":\"")
      writer.write(toolName)
      writer.write("\",\"arguments\":\"\"}}]},\"finish_reason\":null}")
    }
  }

  /// Finish reasons, usage, the terminal marker, the end.
  private func close(_ plan: AnswerPlan, to stream: HTTPStream) {
    if let events {
      events.close(omitsEnd: faults.omitsDone, into: &stream.output)
      phase = .ended
      return stream.end()
    }
    guard let template, let request else { return }
    for index in 0..<choiceCount {
      append(to: stream, template, extra: 0) { writer in
        writer.write("{\"index\":")
        writer.write(decimal: UInt64(index))
        writer.write(template.endpoint == .chat ? ",\"delta\":{}" : ",\"text\":\"\",\"logprobs\":null")
        writer.write(",\"finish_reason\":\"")
        writer.write(plan.finishReason)
        writer.write("\"}")
      }
    }
    if hasUsageField {
      let usage = ByteQueueBox()
      JSONAnswers.usage(plan, request, into: usage)
      stream.output.append(upTo: template.room(tokenBytes: usage.bytes.byteCount)) { room in
        var writer = ByteWriter(room)
        template.open(&writer, key)
        writer.write("],\"usage\":")
        usage.bytes.withBytes { $0.withUnsafeBytes { writer.write($0) } }
        writer.write("}\n\n")
        return writer.count
      }
    }
    if !faults.omitsDone { stream.output.append("data: [DONE]\n\n") }
    phase = .ended
    stream.end()
  }

  /// A chunk whose one choice `body` writes; it has room for `extra` bytes of variable length.
  private func append(
    to stream: HTTPStream, _ template: ChunkTemplate, extra: Int, _ body: (inout ByteWriter) -> Void
  ) {
    stream.output.append(upTo: template.room(tokenBytes: extra)) { room in
      var writer = ByteWriter(room)
      template.open(&writer, key)
      body(&writer)
      template.close(&writer, due: 0, hasUsage: hasUsageField)
      return writer.count
    }
  }
}

import TideCore
import TideDialects

/// An answer as OpenAI's Responses has it.
final class ResponsesAnswer: EventAnswer {
  private var sequence = 0

  override func open(into out: inout ByteQueue) {
    for type: StaticString in ["response.created", "response.in_progress"] {
      event(type, into: &out)
      out.append(",\"response\":")
      writeResponse(status: "in_progress", into: &out)
      out.append("}\n\n")
    }
  }

  override func beginBlock(_ lane: ChunkTemplate.Lane, into out: inout ByteQueue) {
    event("response.output_item.added", into: &out)
    out.append(",\"output_index\":\(blockIndex),\"item\":" as String)
    writeItem(lane, isWhole: false, into: &out)
    out.append("}\n\n")
    guard let part = Self.part(lane) else { return }
    event(part.added, into: &out)
    writePlace(lane, into: &out)
    out.append(",\"part\":")
    writePart(lane, isWhole: false, into: &out)
    out.append("}\n\n")
  }

  override func writeDelta(_ text: UnsafeRawBufferPointer, due: UInt64, into out: inout ByteQueue) {
    guard let lane else { return }
    switch lane {
    case .content: event("response.output_text.delta", into: &out)
    case .reasoning: event("response.reasoning_summary_text.delta", into: &out)
    case .toolArguments: event("response.function_call_arguments.delta", into: &out)
    }
    writePlace(lane, into: &out)
    out.append(",\"delta\":\"")
    out.append(text)
    out.append(lane == .content ? "\",\"logprobs\":[]" : "\"")
    if due != 0 { out.append(",\"due\":\(due)" as String) }
    out.append("}\n\n")
  }

  override func endBlock(into out: inout ByteQueue) {
    guard let lane else { return }
    switch lane {
    case .content: event("response.output_text.done", into: &out)
    case .reasoning: event("response.reasoning_summary_text.done", into: &out)
    case .toolArguments: event("response.function_call_arguments.done", into: &out)
    }
    writePlace(lane, into: &out)
    out.append(lane == .toolArguments ? ",\"arguments\":\"" : ",\"text\":\"")
    writeTokens(openRange, into: &out)
    out.append(lane == .content ? "\",\"logprobs\":[]}\n\n" : "\"}\n\n")
    if let part = Self.part(lane) {
      event(part.done, into: &out)
      writePlace(lane, into: &out)
      out.append(",\"part\":")
      writePart(lane, isWhole: true, into: &out)
      out.append("}\n\n")
    }
    event("response.output_item.done", into: &out)
    out.append(",\"output_index\":\(blockIndex),\"item\":" as String)
    writeItem(lane, isWhole: true, into: &out)
    out.append("}\n\n")
  }

  override func close(omitsEnd: Bool, into out: inout ByteQueue) {
    endBlocks(into: &out)
    if omitsEnd { return }
    event(plan.outcome == .length ? "response.incomplete" : "response.completed", into: &out)
    out.append(",\"response\":")
    writeResponse(status: status, into: &out)
    out.append("}\n\n")
  }

  override func writeError(into out: inout ByteQueue) {
    event("error", into: &out)
    out.append(",\"code\":\"server_error\",\"message\":\"The engine had an error.\",\"param\":null,")
    JSONAnswers.refusal(500).bytes.withBytes { out.append($0.extracting(droppingFirst: 1)) }
    out.append("\n\n")
  }

  override func writeMalformed(into out: inout ByteQueue) {
    out.append("event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"bro\n\n")
  }

  override func writeWhole(into out: inout ByteQueue) { writeResponse(status: status, into: &out) }

  private var status: StaticString { plan.outcome == .length ? "incomplete" : "completed" }

  private static func part(_ lane: ChunkTemplate.Lane) -> (added: StaticString, done: StaticString)? {
    switch lane {
    case .content: ("response.content_part.added", "response.content_part.done")
    case .reasoning: ("response.reasoning_summary_part.added", "response.reasoning_summary_part.done")
    case .toolArguments: nil
    }
  }

  private func event(_ type: StaticString, into out: inout ByteQueue) {
    out.append("event: ")
    out.append(type)
    out.append("\ndata: {\"type\":\"")
    out.append(type)
    out.append("\",\"sequence_number\":\(sequence)" as String)
    sequence += 1
  }

  private func writeItemID(_ lane: ChunkTemplate.Lane, into out: inout ByteQueue) {
    switch lane {
    case .content: out.append("msg_")
    case .reasoning: out.append("rs_")
    case .toolArguments: out.append("fc_")
    }
    out.append(id)
  }

  private func writePlace(_ lane: ChunkTemplate.Lane, into out: inout ByteQueue) {
    out.append(",\"item_id\":\"")
    writeItemID(lane, into: &out)
    out.append("\",\"output_index\":\(blockIndex)" as String)
    switch lane {
    case .content: out.append(",\"content_index\":0")
    case .reasoning: out.append(",\"summary_index\":0")
    case .toolArguments: break
    }
  }

  private func writePart(_ lane: ChunkTemplate.Lane, isWhole: Bool, into out: inout ByteQueue) {
    out.append(
      lane == .content
        ? "{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":\""
        : "{\"type\":\"summary_text\",\"text\":\"")
    if isWhole { writeTokens(lane == .reasoning ? reasoningRange : mainRange, into: &out) }
    out.append("\"}")
  }

  private func writeItem(_ lane: ChunkTemplate.Lane, isWhole: Bool, into out: inout ByteQueue) {
    out.append("{\"id\":\"")
    writeItemID(lane, into: &out)
    if lane != .reasoning {
      out.append("\",\"status\":\"")
      out.append(isWhole ? status : "in_progress")
    }
    switch lane {
    case .content:
      out.append("\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[")
      if isWhole { writePart(lane, isWhole: true, into: &out) }
      out.append("]}")
    case .reasoning:
      out.append("\",\"type\":\"reasoning\",\"summary\":[")
      if isWhole { writePart(lane, isWhole: true, into: &out) }
      out.append("]}")
    case .toolArguments:
      out.append("\",\"type\":\"function_call\",\"call_id\":\"call_\(id)\",\"name\":\"" as String)
      out.append(plan.toolName ?? [])
      out.append("\",\"arguments\":\"")
      if isWhole { writeTokens(mainRange, into: &out) }
      out.append("\"}")
    }
  }

  private func writeResponse(status: StaticString, into out: inout ByteQueue) {
    let isOver = blockCount > 0 || !request.isStream
    out.append("{\"id\":\"resp_\(id)\",\"object\":\"response\",\"created_at\":\(created),\"status\":\"" as String)
    out.append(status)
    out.append("\",\"error\":null,\"incomplete_details\":")
    out.append(isOver && plan.outcome == .length ? "{\"reason\":\"max_output_tokens\"}" : "null")
    out.append(",\"instructions\":null,\"metadata\":{},\"model\":\"")
    out.append(request.model)
    out.append("\",\"output\":[")
    if isOver {
      if plan.reasoningCount > 0 {
        writeItem(.reasoning, isWhole: true, into: &out)
        out.append(",")
      }
      writeItem(mainLane, isWhole: true, into: &out)
    }
    out.append("],\"parallel_tool_calls\":true,\"tool_choice\":\"auto\",\"tools\":[],\"usage\":")
    if isOver {
      out.append("{\"input_tokens\":\(request.promptTokens),\"input_tokens_details\":{\"cached_tokens\":0}" as String)
      out.append(",\"output_tokens\":\(plan.tokenCount),\"output_tokens_details\":{\"reasoning_tokens\":" as String)
      out.append("\(plan.reasoningCount)},\"total_tokens\":\(request.promptTokens + plan.tokenCount)}}" as String)
    } else {
      out.append("null}")
    }
  }
}

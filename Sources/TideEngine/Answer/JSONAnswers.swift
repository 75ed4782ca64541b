import TideCore
import TideDialects

/// The JSON bodies of everything that is not a token stream.
enum JSONAnswers {
  /// An error as OpenAI's API words it.
  static func error(_ message: String, type: String, code: String?) -> ByteQueueBox {
    let box = ByteQueueBox()
    box.bytes.append("{\"error\":{\"message\":")
    JSONText.quote(message, into: &box.bytes)
    box.bytes.append(",\"type\":")
    JSONText.quote(type, into: &box.bytes)
    box.bytes.append(",\"param\":null,\"code\":")
    if let code { JSONText.quote(code, into: &box.bytes) } else { box.bytes.append("null") }
    box.bytes.append("}}")
    return box
  }

  /// The error that goes with a status when the request asked for it.
  static func refusal(_ status: Int) -> ByteQueueBox {
    switch status {
    case 401: error("Incorrect API key provided.", type: "invalid_request_error", code: "invalid_api_key")
    case 404: error("The model does not exist.", type: "invalid_request_error", code: "model_not_found")
    case 429: error("Rate limit reached for requests.", type: "requests", code: "rate_limit_exceeded")
    case 503: error("The engine is overloaded, please try again.", type: "server_error", code: "overloaded")
    case 500...: error("The engine had an error.", type: "server_error", code: "server_error")
    default: error("The engine refuses this request.", type: "invalid_request_error", code: nil)
    }
  }

  static func models(created: UInt64) -> ByteQueueBox {
    let box = ByteQueueBox()
    box.bytes.append("{\"object\":\"list\",\"data\":[")
    for (index, name) in modelNames.enumerated() {
      if index > 0 { box.bytes.append(",") }
      model(name, created: created, into: box)
    }
    box.bytes.append("]}")
    return box
  }

  static func model(_ name: String, created: UInt64, into box: ByteQueueBox) {
    box.bytes.append("{\"id\":")
    JSONText.quote(name, into: &box.bytes)
    box.bytes.append(",\"object\":\"model\",\"created\":\(created),\"owned_by\":\"tidegate\"}")
  }

  static let modelNames = ["echo", "lorem", "scripted", "tool-call", "reasoning"]

  /// The whole answer to a chat or completion request that is not streamed.
  static func completion(
    _ plan: AnswerPlan, _ request: EngineRequest, endpoint: ChunkTemplate.Endpoint, id: UInt64, created: UInt64,
    into box: ByteQueueBox
  ) {
    let isChat = endpoint == .chat
    box.bytes.append(isChat ? "{\"id\":\"chatcmpl-" : "{\"id\":\"cmpl-")
    box.bytes.append(upTo: 16) { room in
      var writer = ByteWriter(room)
      writer.write(hex: id)
      return writer.count
    }
    box.bytes.append(isChat ? "\",\"object\":\"chat.completion\"" : "\",\"object\":\"text_completion\"")
    box.bytes.append(",\"created\":\(created),\"model\":\"")
    box.bytes.append(request.model)
    box.bytes.append("\",\"choices\":[")
    for index in 0..<request.choiceCount {
      box.bytes.append(index == 0 ? "{\"index\":\(index)," : ",{\"index\":\(index),")
      if isChat { message(plan, into: box) } else { text(plan, into: box) }
      box.bytes.append(",\"logprobs\":null,\"finish_reason\":\"")
      box.bytes.append(plan.finishReason)
      box.bytes.append("\"}")
    }
    box.bytes.append("],\"usage\":")
    usage(plan, request, into: box)
    box.bytes.append("}")
  }

  /// The usage object: the request's words and the answer's tokens over all choices.
  static func usage(_ plan: AnswerPlan, _ request: EngineRequest, into box: ByteQueueBox) {
    let completion = plan.tokenCount * request.choiceCount
    box.bytes.append("{\"prompt_tokens\":\(request.promptTokens),\"completion_tokens\":\(completion)")
    box.bytes.append(",\"total_tokens\":\(request.promptTokens + completion)")
    box.bytes.append(
      ",\"prompt_tokens_details\":{\"cached_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":")
    box.bytes.append("\(plan.reasoningCount * request.choiceCount)}}")
  }

  /// A vector of eight numbers for each input, the same for the same words.
  static func embeddings(_ request: EngineRequest) -> ByteQueueBox {
    let box = ByteQueueBox()
    var state: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in request.lastUserText { state = (state ^ UInt64(byte)) &* 0x100_0000_01b3 }
    box.bytes.append("{\"object\":\"list\",\"data\":[")
    for index in 0..<request.inputCount {
      box.bytes.append(index == 0 ? "{" : ",{")
      box.bytes.append("\"object\":\"embedding\",\"index\":\(index),\"embedding\":[")
      for position in 0..<8 {
        state = (state ^ UInt64(position + index)) &* 0x100_0000_01b3
        let thousandths = Int(state >> 40) % 1000
        box.bytes.append(position == 0 ? "0." : ",0.")
        box.bytes.append(
          thousandths < 10 ? "00\(thousandths)" : thousandths < 100 ? "0\(thousandths)" : "\(thousandths)")
      }
      box.bytes.append("]}")
    }
    box.bytes.append("],\"model\":\"")
    box.bytes.append(request.model)
    box.bytes.append(
      "\",\"usage\":{\"prompt_tokens\":\(request.promptTokens),\"total_tokens\":\(request.promptTokens)}}")
    return box
  }

  private static func message(_ plan: AnswerPlan, into box: ByteQueueBox) {
    box.bytes.append("\"message\":{\"role\":\"assistant\",\"content\":")
    if plan.toolName == nil {
      append(plan, from: plan.reasoningCount, to: plan.tokenCount, into: box)
    } else {
      box.bytes.append("null")
    }
    if plan.reasoningCount > 0 {
      box.bytes.append(",\"reasoning_content\":")
      append(plan, from: 0, to: plan.reasoningCount, into: box)
    }
    if let toolName = plan.toolName {
      box.bytes.append(",\"tool_calls\":[{\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"")
      box.bytes.append(toolName)
      box.bytes.append("\",\"arguments\":")
      append(plan, from: plan.reasoningCount, to: plan.tokenCount, into: box)
      box.bytes.append("}}]")
    }
    box.bytes.append(",\"refusal\":null}")
  }

  private static func text(_ plan: AnswerPlan, into box: ByteQueueBox) {
    box.bytes.append("\"text\":")
    append(plan, from: 0, to: plan.tokenCount, into: box)
  }

  /// The tokens of a range as one JSON string.
  private static func append(_ plan: AnswerPlan, from start: Int, to end: Int, into box: ByteQueueBox) {
    box.bytes.append(byte: UInt8(ascii: "\""))
    for position in start..<max(start, end) {
      let token = plan.token(at: position)
      token.text.bytes.withUnsafeBytes { box.bytes.append(UnsafeRawBufferPointer(rebasing: $0[token.range])) }
    }
    box.bytes.append(byte: UInt8(ascii: "\""))
  }
}

/// A body under construction, passed by reference since a `ByteQueue` has one owner.
final class ByteQueueBox {
  var bytes = ByteQueue()
}

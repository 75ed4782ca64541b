import TideCore
import TideDialects

/// All that is decided about an answer before its first byte: pure, from the request's body, the words of its model's name and
/// the engine's settings. A class, so that a beat names it by one address, and counts no reference.
final class AnswerPlan {
  enum Outcome { case stop, length, toolCalls }

  let text: TokenText
  /// Tokens of reasoning before those of `text`.
  var reasoningCount = 0
  /// Tokens of a choice, reasoning included.
  var tokenCount: Int
  var outcome = Outcome.stop
  /// The tool that is called, as it stands in JSON; nil for an answer in words.
  var toolName: [UInt8]?

  init(request: EngineRequest, directions: EngineDirections, script: [UInt8]?, settings: EngineSettings) {
    if directions.callsTool, let toolName = request.toolName {
      self.toolName = toolName
      text = script.map { TokenText(piecesOf: $0, byteCount: 7) } ?? .toolArguments
      tokenCount = text.count
      outcome = .toolCalls
    } else {
      switch directions.mode ?? settings.mode {
      case .echo:
        text = TokenText(wordsOf: request.lastUserText)
        tokenCount = text.count
      case .scripted:
        text = TokenText(wordsOf: script ?? Self.escaped(settings.script.joined(separator: "\n")))
        tokenCount = text.count
      case .lorem:
        text = .lorem
        tokenCount = directions.tokenCount ?? max(0, settings.tokenCount)
      }
    }
    if directions.hasReasoning {
      reasoningCount = TokenText.reasoning.count
      tokenCount += reasoningCount
    }
    if tokenCount > request.maxTokens {
      tokenCount = request.maxTokens
      reasoningCount = min(reasoningCount, tokenCount)
      outcome = .length
    }
  }

  /// `text` as the inside of a JSON string.
  static func escaped(_ text: String) -> [UInt8] {
    var text = text
    return text.withUTF8 { Array(JSONText.quoted(UnsafeRawBufferPointer($0)).dropFirst().dropLast()) }
  }

  /// What `finish_reason` says.
  var finishReason: StaticString {
    switch outcome {
    case .stop: "stop"
    case .length: "length"
    case .toolCalls: "tool_calls"
    }
  }

  /// Token `position` of a choice.
  func token(at position: Int) -> (lane: ChunkTemplate.Lane, text: TokenText, range: Range<Int>) {
    let (lane, text, range) = place(of: position)
    return (lane, text.takeUnretainedValue(), range)
  }

  /// The same, for those who hold this plan meanwhile: no reference to the text is counted.
  @inline(__always)
  func place(of position: Int) -> (lane: ChunkTemplate.Lane, text: Unmanaged<TokenText>, range: Range<Int>) {
    if position < reasoningCount {
      let text = Unmanaged.passUnretained(TokenText.reasoning)
      return (.reasoning, text, text._withUnsafeGuaranteedRef { $0.range(of: position) })
    }
    let text = Unmanaged.passUnretained(text)
    return (
      toolName == nil ? .content : .toolArguments, text,
      text._withUnsafeGuaranteedRef { $0.range(of: position &- reasoningCount) }
    )
  }
}

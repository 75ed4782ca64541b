/// The kinds of text that a Responses answer consists of, and the words that the dialect has for each.
enum ResponsesTextKey: UInt8, CaseIterable {
  case outputText, refusal, summary, reasoning
  /// A function call's arguments.
  case arguments
  case mcpArguments
  /// What a custom tool is called with: any text.
  case customInput
  case code

  var channel: Channel {
    switch self {
    case .outputText: .text
    case .refusal: .refusal
    case .summary, .reasoning: .reasoning
    case .arguments, .mcpArguments, .customInput, .code: .toolArgs
    }
  }

  var deltaType: StaticString {
    switch self {
    case .outputText: "response.output_text.delta"
    case .refusal: "response.refusal.delta"
    case .summary: "response.reasoning_summary_text.delta"
    case .reasoning: "response.reasoning_text.delta"
    case .arguments: "response.function_call_arguments.delta"
    case .mcpArguments: "response.mcp_call_arguments.delta"
    case .customInput: "response.custom_tool_call_input.delta"
    case .code: "response.code_interpreter_call_code.delta"
    }
  }

  var doneType: StaticString {
    switch self {
    case .outputText: "response.output_text.done"
    case .refusal: "response.refusal.done"
    case .summary: "response.reasoning_summary_text.done"
    case .reasoning: "response.reasoning_text.done"
    case .arguments: "response.function_call_arguments.done"
    case .mcpArguments: "response.mcp_call_arguments.done"
    case .customInput: "response.custom_tool_call_input.done"
    case .code: "response.code_interpreter_call_code.done"
    }
  }

  /// The member that repeats the whole text, in the event at its end and in the item.
  var name: StaticString {
    switch self {
    case .outputText, .summary, .reasoning: "text"
    case .refusal: "refusal"
    case .arguments, .mcpArguments: "arguments"
    case .customInput: "input"
    case .code: "code"
    }
  }

  /// The type of the part that holds it; nil when the item itself does.
  var partType: StaticString? {
    switch self {
    case .outputText: "output_text"
    case .refusal: "refusal"
    case .summary: "summary_text"
    case .reasoning: "reasoning_text"
    case .arguments, .mcpArguments, .customInput, .code: nil
    }
  }

  /// The type of the item that holds it.
  var itemType: StaticString {
    switch self {
    case .outputText, .refusal: "message"
    case .summary, .reasoning: "reasoning"
    case .arguments: "function_call"
    case .mcpArguments: "mcp_call"
    case .customInput: "custom_tool_call"
    case .code: "code_interpreter_call"
    }
  }

  /// The member by which events number the part in its item.
  var indexName: StaticString { self == .summary ? "summary_index" : "content_index" }

  /// The beginning of the names of the events that open and close the part.
  var partEvents: StaticString { self == .summary ? "response.reasoning_summary_part" : "response.content_part" }

  /// Its text is JSON, which an edit must not break.
  var isJSON: Bool { self == .arguments || self == .mcpArguments }
}

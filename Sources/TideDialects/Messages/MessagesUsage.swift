import TideCore

/// Usage as a Messages answer tells it: real input tokens at the beginning, then totals that each replace what was said before.
struct MessagesUsage {
  private var input: Int?
  private var cacheCreation = 0
  private var cacheRead = 0
  private var output: Int?
  private var thinking = 0

  init() {}

  /// The upstream has told what the prompt cost.
  var hasInput: Bool { input != nil }

  /// Takes a usage object over: each member that it has is a total and replaces, never adds to, what was known.
  mutating func merge(_ json: UnsafeRawBufferPointer) {
    var scanner = JSONScanner(json)
    guard scanner.peek() == .object, scanner.enterObject() else { return }
    var merged = self
    while let key = scanner.nextKey() {
      if scanner.equals(key, "input_tokens") {
        merged.input = TokenUsage.count(&scanner) ?? merged.input
      } else if scanner.equals(key, "cache_creation_input_tokens") {
        merged.cacheCreation = TokenUsage.count(&scanner) ?? merged.cacheCreation
      } else if scanner.equals(key, "cache_read_input_tokens") {
        merged.cacheRead = TokenUsage.count(&scanner) ?? merged.cacheRead
      } else if scanner.equals(key, "output_tokens") {
        merged.output = TokenUsage.count(&scanner) ?? merged.output
      } else if scanner.equals(key, "output_tokens_details") {
        merged.thinking = TokenUsage.detail(&scanner, "thinking_tokens") ?? merged.thinking
      } else {
        _ = scanner.skipValue()
      }
    }
    if !scanner.hasFailed { self = merged }
  }

  /// The figures, with estimates for what the upstream has not said. `input_tokens` leaves out what a cache held; the total has it.
  func tokens(promptEstimate: Int, outputAtLeast counted: Int) -> TokenUsage {
    TokenUsage(
      prompt: input.map { $0 &+ cacheCreation &+ cacheRead } ?? promptEstimate,
      completion: max(output ?? 0, counted), cached: cacheRead, reasoning: thinking)
  }
}

import TideCore

/// Usage as Chat Completions writes it.
extension TokenUsage {
  /// Reads a usage object; members that are absent count as zero. Responses' names (`input_tokens`) are understood too.
  init?(chat json: UnsafeRawBufferPointer) {
    var scanner = JSONScanner(json)
    guard scanner.peek() == .object, scanner.enterObject() else { return nil }
    var prompt = 0
    var completion = 0
    var total: Int?
    var cached = 0
    var reasoning = 0
    while let key = scanner.nextKey() {
      if scanner.equals(key, "prompt_tokens") || scanner.equals(key, "input_tokens") {
        prompt = Self.count(&scanner) ?? prompt
      } else if scanner.equals(key, "completion_tokens") || scanner.equals(key, "output_tokens") {
        completion = Self.count(&scanner) ?? completion
      } else if scanner.equals(key, "total_tokens") {
        total = Self.count(&scanner) ?? total
      } else if scanner.equals(key, "prompt_tokens_details") || scanner.equals(key, "input_tokens_details") {
        cached = Self.detail(&scanner, "cached_tokens") ?? cached
      } else if scanner.equals(key, "completion_tokens_details") || scanner.equals(key, "output_tokens_details") {
        reasoning = Self.detail(&scanner, "reasoning_tokens") ?? reasoning
      } else {
        _ = scanner.skipValue()
      }
    }
    guard !scanner.hasFailed else { return nil }
    self.init(prompt: prompt, completion: completion, total: total, cached: cached, reasoning: reasoning)
  }

  /// Writes the usage object.
  func writeChat(into out: inout ByteQueue) {
    out.append(
      "{\"prompt_tokens\":\(prompt),\"completion_tokens\":\(completion),\"total_tokens\":\(total)" as String)
    if cached > 0 { out.append(",\"prompt_tokens_details\":{\"cached_tokens\":\(cached)}" as String) }
    if reasoning > 0 { out.append(",\"completion_tokens_details\":{\"reasoning_tokens\":\(reasoning)}" as String) }
    out.append(byte: UInt8(ascii: "}"))
  }

  static func count(_ scanner: inout JSONScanner) -> Int? {
    let isNumber = scanner.peek() == .number
    guard let range = scanner.skipValue(), isNumber, let value = scanner.integer(range), value >= 0 else { return nil }
    return Int(value)
  }

  static func detail(_ scanner: inout JSONScanner, _ name: StaticString) -> Int? {
    guard scanner.peek() == .object, scanner.enterObject() else {
      _ = scanner.skipValue()
      return nil
    }
    var found: Int?
    while let key = scanner.nextKey() {
      if scanner.equals(key, name) { found = count(&scanner) ?? found } else { _ = scanner.skipValue() }
    }
    return found
  }
}

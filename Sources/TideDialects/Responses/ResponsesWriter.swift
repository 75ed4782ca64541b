import TideCore

/// JSON and events of a Responses answer that the gateway writes itself.
enum ResponsesWriter {
  /// Opens an event; its members follow, each with a comma before it.
  static func open(_ type: StaticString, _ sequence: Int, into out: inout ByteQueue) {
    out.append("event: ")
    out.append(type)
    out.append("\ndata: {\"type\":\"")
    out.append(type)
    out.append("\",\"sequence_number\":\(sequence)" as String)
  }

  static func close(into out: inout ByteQueue) { out.append("}\n\n") }

  /// The members by which an event names its part, each with a comma before it.
  static func place(
    id: [UInt8], outputIndex: Int32, part: (key: ResponsesTextKey, index: Int32), into out: inout ByteQueue
  ) {
    out.append(",\"item_id\":\"")
    out.append(id)
    out.append("\",\"output_index\":\(max(0, outputIndex))" as String)
    guard part.key.partType != nil else { return }
    out.append(",\"")
    out.append(part.key.indexName)
    out.append("\":\(part.index)" as String)
  }

  /// One part with its text, which is the content of a JSON string.
  static func part(_ key: ResponsesTextKey, _ content: [UInt8], into out: inout ByteQueue) {
    guard let type = key.partType else { return }
    out.append("{\"type\":\"")
    out.append(type)
    out.append("\",\"")
    out.append(key.name)
    out.append("\":\"")
    out.append(content)
    out.append(key == .outputText ? "\",\"annotations\":[],\"logprobs\":[]}" : "\"}")
  }

  /// A usage object.
  static func usage(_ usage: TokenUsage, into out: inout ByteQueue) {
    out.append("{\"input_tokens\":\(usage.prompt),\"input_tokens_details\":{\"cached_tokens\":" as String)
    out.append("\(usage.cached)},\"output_tokens\":\(usage.completion),\"output_tokens_details\":" as String)
    out.append("{\"reasoning_tokens\":\(usage.reasoning)},\"total_tokens\":\(usage.total)}" as String)
  }

  /// How an answer that was ended with a finish reason of the policies' vocabulary is told of: its status, and why it is incomplete.
  static func ending(_ reason: String) -> (status: String, reason: String?) {
    switch reason {
    case "content_filter": ("incomplete", "content_filter")
    case "length": ("incomplete", "max_output_tokens")
    default: ("completed", nil)
    }
  }

  /// `null`, or why an answer is incomplete.
  static func incompleteDetails(_ reason: String?) -> [UInt8] {
    guard let reason else { return Array("null".utf8) }
    return Array("{\"reason\":".utf8) + JSONText.quoted(reason) + [UInt8(ascii: "}")]
  }
}

/// What the events at the end of a failed answer say, as JSON.
struct ResponsesFailure {
  /// The two values as they stand in JSON, quotes included.
  var code: [UInt8]
  var message: [UInt8]

  init(code: String, message: String) {
    self.code = JSONText.quoted(code)
    self.message = JSONText.quoted(message)
  }

  /// What an upstream's own error says.
  init(upstream json: UnsafeRawBufferPointer) {
    self.init(code: "server_error", message: StreamFailure.upstreamError.message)
    var scanner = JSONScanner(json)
    guard scanner.peek() == .object, scanner.enterObject() else { return }
    while let key = scanner.nextKey() {
      let isString = scanner.peek() == .string
      guard let range = scanner.skipValue() else { return }
      if isString, scanner.equals(key, "code") { code = [UInt8](json[range]) }
      if isString, scanner.equals(key, "message") { message = [UInt8](json[range]) }
    }
  }
}

/// Top-level members that policies read and write, by OpenAI's Chat Completions names in every dialect.
extension ChatRequest {
  /// The member that holds a parameter; nil when the dialect has none.
  func wireName(_ name: String) -> String? {
    switch (dialect, name) {
    case (.openAI, "max_tokens"):
      object.value("max_completion_tokens") == nil ? name : "max_completion_tokens"
    case (.openAI, _): name
    case (.responses, "max_tokens"): "max_output_tokens"
    case (.anthropic, "stop"): "stop_sequences"
    case (.anthropic, "user"): "metadata"
    case (.responses, "stop"), (_, "seed"), (_, "n"), (_, "frequency_penalty"), (_, "presence_penalty"): nil
    default: name
    }
  }

  /// Whether the request's dialect has a parameter at all.
  public func hasParameter(_ name: String) -> Bool { wireName(name) != nil }

  /// The JSON of a parameter; nil when it is absent.
  public func parameter(_ name: String) -> [UInt8]? {
    guard let wireName = wireName(name), let json = object.value(wireName) else { return nil }
    if wireName == "metadata", name == "user" {
      guard case .success(let metadata) = JSONObject.parse(Array(json), strict: []) else { return nil }
      return metadata.value("user_id").map { Array($0) }
    }
    return Array(json)
  }

  /// A parameter as a number; nil when it is absent or none.
  public func number(_ name: String) -> Double? {
    guard let json = parameter(name), let first = json.first, first == UInt8(ascii: "-") || first &- 48 < 10 else {
      return nil
    }
    return Double(String(decoding: json, as: UTF8.self))
  }

  /// The most tokens that the answer may have.
  public var maxTokens: Int? {
    parameter("max_tokens").flatMap { JSONText.integer(json: $0[...]) }.map { Int($0) }
  }

  /// Sets, adds or (with nil) removes a parameter. What decides how the answer is read (`stream`, the messages) is none.
  ///
  /// - Returns: false when `json` is not one JSON value, the member may not be set, or the dialect has no such parameter.
  @discardableResult
  public func setParameter(_ name: String, _ json: [UInt8]?) -> Bool {
    if let json, !JSONText.isValue(json) { return false }
    guard let wireName = wireName(name) else { return json == nil }
    switch wireName {
    case "stream", dialect.listName, dialect.systemName: return false
    case "model":
      guard let json, let text = JSONText.string(json: json[...]) else { return false }
      model = text
    case "n":
      if let json {
        guard let count = JSONText.integer(json: json[...]), count > 0, count <= 128 else { return false }
        n = Int(count)
      } else {
        n = 1
      }
    case "stop_sequences":
      // Anthropic takes a list, where OpenAI takes a text too.
      let isText = json?.first == UInt8(ascii: "\"")
      object.set(wireName, isText ? [UInt8(ascii: "[")] + (json ?? []) + [UInt8(ascii: "]")] : json)
      return true
    case "metadata" where name == "user": return setMetadataUser(json)
    default: break
    }
    object.set(wireName, json)
    return true
  }

  /// Anthropic's name for its client's user stands inside another member.
  private func setMetadataUser(_ json: [UInt8]?) -> Bool {
    let present = object.value("metadata").map { Array($0) }
    guard case .success(var metadata) = JSONObject.parse(present ?? Array("{}".utf8), strict: []) else { return false }
    metadata.set("user_id", json)
    if metadata.isEdited { object.set("metadata", metadata.body()) }
    return true
  }

  /// Where `tools` stands in the request as it came; nil when it has none, or an empty list.
  public var toolsRange: Range<Int>? {
    object.originalRange("tools").flatMap {
      object.bytes[$0.lowerBound] == UInt8(ascii: "[") && $0.count > 2 ? $0 : nil
    }
  }

  public var hasTools: Bool { toolsRange != nil || (object.value("tools")?.count ?? 0) > 2 }

  /// Asks the upstream for the usage event. Does nothing unless the answer is streamed in a dialect where one must ask.
  ///
  /// - Returns: true when the gateway asked and the client had not: the event is then to be removed from the answer.
  @discardableResult
  public func injectIncludeUsage() -> Bool {
    guard stream, !includeUsage else { return false }
    if let present = object.value("stream_options"), present.first == UInt8(ascii: "{"),
      case .success(var options) = JSONObject.parse(Array(present), strict: [])
    {
      options.set("include_usage", Self.yes)
      object.set("stream_options", options.body())
    } else {
      object.set("stream_options", Self.usageOptions)
    }
    return true
  }

  // Made once, not once a request.
  private static let yes = Array("true".utf8)
  private static let usageOptions = Array("{\"include_usage\":true}".utf8)
}

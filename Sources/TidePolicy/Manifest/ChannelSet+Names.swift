import TideDialects

extension ChannelSet {
  /// Reads a list of channels' names, as policies write it.
  static func read(_ value: PolicyValue) throws(HostError) -> ChannelSet {
    guard let names = value.elements, !names.isEmpty else {
      throw HostError("channels must be a list of text, reasoning, refusal, tool_args")
    }
    var result: ChannelSet = []
    for name in names {
      switch name.text {
      case "text": result.insert(.text)
      case "reasoning": result.insert(.reasoning)
      case "refusal": result.insert(.refusal)
      case "tool_args": result.insert(.toolArgs)
      default:
        throw HostError("unknown channel \(SchemaField.show(name)); there are text, reasoning, refusal, tool_args")
      }
    }
    return result
  }
}

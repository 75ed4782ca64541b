import TideCore

/// Hides what sounds like a secret in a configuration whose schema is not known here.
enum SecretMask {
  private static let words = [
    "secret", "password", "passwd", "token", "credential", "authorization", "private", "bearer",
  ]

  /// Strings and numbers under a telling key become `<hidden>`; a reference (`file:path`, `${VAR}`) is no secret and stays.
  static func hide(in node: ConfigNode, isSecret: Bool = false) -> ConfigNode {
    switch node.value {
    case .null, .boolean: return node
    case .integer, .number: return isSecret ? ConfigNode(.string(ConfigurationPrinter.hidden)) : node
    case .string(let text):
      return isSecret && !isReference(text) ? ConfigNode(.string(ConfigurationPrinter.hidden)) : node
    case .array(let items): return ConfigNode(.array(items.map { hide(in: $0, isSecret: isSecret) }))
    case .map(let entries):
      return ConfigNode(
        .map(
          entries.map {
            ConfigNode.Entry(key: $0.key, value: hide(in: $0.value, isSecret: isSecret || soundsSecret($0.key)))
          }))
    }
  }

  private static func soundsSecret(_ key: String) -> Bool {
    let key = key.lowercased()
    // `max_tokens` and the like count; they do not open doors.
    if key.hasSuffix("tokens") { return false }
    return words.contains(where: key.contains) || key == "key" || key.hasSuffix("_key") || key.hasSuffix("apikey")
      || key.hasSuffix("api-key")
  }

  private static func isReference(_ text: String) -> Bool {
    if text.hasPrefix("file:") { return true }
    guard text.hasPrefix("${"), text.hasSuffix("}"), !text.contains(":-") else { return false }
    return text.dropFirst(2).dropLast().allSatisfy { $0 != "$" && $0 != "{" && $0 != "}" }
  }
}

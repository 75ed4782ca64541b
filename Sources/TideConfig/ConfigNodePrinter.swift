import TideCore

/// Writes nodes as JSON or as YAML.
enum ConfigNodePrinter {
  static func json(_ node: ConfigNode) -> String {
    var out = ""
    writeJSON(node, indent: "", into: &out)
    return out + "\n"
  }

  static func yaml(_ node: ConfigNode) -> String {
    var out = ""
    writeYAML(node, indent: "", into: &out)
    return out
  }

  private static func writeJSON(_ node: ConfigNode, indent: String, into out: inout String) {
    let inner = indent + "  "
    switch node.value {
    case .array(let items) where !items.isEmpty:
      out += "[\n"
      for (index, item) in items.enumerated() {
        out += inner
        writeJSON(item, indent: inner, into: &out)
        out += index + 1 < items.count ? ",\n" : "\n"
      }
      out += indent + "]"
    case .map(let entries) where !entries.isEmpty:
      out += "{\n"
      for (index, entry) in entries.enumerated() {
        out += inner + quoted(entry.key) + ": "
        writeJSON(entry.value, indent: inner, into: &out)
        out += index + 1 < entries.count ? ",\n" : "\n"
      }
      out += indent + "}"
    default:
      out += scalar(node, isPlainAllowed: false)
    }
  }

  private static func writeYAML(_ node: ConfigNode, indent: String, into out: inout String) {
    switch node.value {
    case .map(let entries) where !entries.isEmpty:
      for (index, entry) in entries.enumerated() {
        // The first key stands behind the dash of its list item.
        out += (index == 0 && out.hasSuffix("- ") ? "" : indent) + plain(entry.key) + ":"
        writeYAMLValue(entry.value, indent: indent, into: &out)
      }
    case .array(let items) where !items.isEmpty:
      for item in items {
        out += indent + "- "
        if item.isScalarOrEmpty {
          out += scalar(item, isPlainAllowed: true) + "\n"
        } else if case .array = item.value {
          out += "\n"
          writeYAML(item, indent: indent + "  ", into: &out)
        } else {
          writeYAML(item, indent: indent + "  ", into: &out)
        }
      }
    default:
      out += indent + scalar(node, isPlainAllowed: true) + "\n"
    }
  }

  private static func writeYAMLValue(_ node: ConfigNode, indent: String, into out: inout String) {
    if node.isScalarOrEmpty {
      out += " " + scalar(node, isPlainAllowed: true) + "\n"
    } else if case .array(let items) = node.value, items.allSatisfy(\.isScalarOrEmpty) {
      out += " [" + items.map { scalar($0, isPlainAllowed: false) }.joined(separator: ", ") + "]\n"
    } else {
      out += "\n"
      writeYAML(node, indent: indent + "  ", into: &out)
    }
  }

  private static func scalar(_ node: ConfigNode, isPlainAllowed: Bool) -> String {
    switch node.value {
    case .null: "null"
    case .boolean(let value): value ? "true" : "false"
    case .integer(let value): String(value)
    case .number(let value) where value.isFinite: String(value)
    case .number: isPlainAllowed ? ".nan" : "null"
    case .string(let text): isPlainAllowed ? plain(text) : quoted(text)
    case .array: "[]"
    case .map: "{}"
    }
  }

  /// Without quotes where no reader could take it for anything but this string.
  private static func plain(_ text: String) -> String {
    let isSafe = text.utf8.allSatisfy { byte in
      (byte < 0x80 && Character(UnicodeScalar(byte)).isLetter) || (0x30...0x39).contains(byte)
        || "-_./:".utf8.contains(byte)
    }
    guard isSafe, let first = text.first, first.isLetter || first.isNumber || first == "/", !text.hasSuffix(":"),
      case .string = YAMLCoreSchema.value(ofPlain: text),
      !["yes", "no", "on", "off", "y", "n"].contains(text.lowercased())
    else { return quoted(text) }
    return text
  }

  private static func quoted(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\t": out += "\\t"
      case "\r": out += "\\r"
      default:
        if scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) || scalar.value == 0x2028
          || scalar.value == 0x2029
        {
          let hex = String(scalar.value, radix: 16)
          out += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
        } else {
          out.unicodeScalars.append(scalar)
        }
      }
    }
    return out + "\""
  }
}

extension ConfigNode {
  fileprivate var isScalarOrEmpty: Bool {
    switch value {
    case .array(let items): items.isEmpty
    case .map(let entries): entries.isEmpty
    default: true
    }
  }
}

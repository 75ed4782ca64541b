/// Writes small JSON documents for the admin listener.
final class JSONWriter {
  private(set) var text = ""
  private var needsComma = false

  func object(_ name: String? = nil, _ body: () -> Void) { nest(name, "{", "}", body) }
  func array(_ name: String? = nil, _ body: () -> Void) { nest(name, "[", "]", body) }
  func member(_ name: String, _ value: String) { put(name, quoted(value)) }
  func member(_ name: String, _ value: Int) { put(name, String(value)) }
  func member(_ name: String, _ value: Bool) { put(name, value ? "true" : "false") }
  func null(_ name: String) { put(name, "null") }
  func element(_ value: String) { put(nil, quoted(value)) }

  private func nest(_ name: String?, _ open: String, _ close: String, _ body: () -> Void) {
    put(name, open)
    needsComma = false
    body()
    text += close
    needsComma = true
  }

  private func put(_ name: String?, _ value: String) {
    if needsComma { text += "," }
    if let name { text += quoted(name) + ":" }
    text += value
    needsComma = true
  }

  private func quoted(_ value: String) -> String {
    var result = "\""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case let control where control.value < 0x20:
        let digits = String(control.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}

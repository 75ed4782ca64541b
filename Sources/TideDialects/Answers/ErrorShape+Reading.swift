/// Reading an upstream's own error.
extension ErrorShape {
  /// The `code` of an error object, or else its `type`; nil when it has neither.
  public static func code(_ error: UnsafeRawBufferPointer) -> String? {
    var scanner = JSONScanner(error)
    guard scanner.peek() == .object, scanner.enterObject() else { return nil }
    var code: String?
    var type: String?
    while let key = scanner.nextKey() {
      let isCode = scanner.equals(key, "code")
      let isType = scanner.equals(key, "type")
      switch scanner.peek() {
      case .string where isCode || isType:
        guard let value = scanner.string() else { break }
        let text = String(JSONText.string(scanner.content(value)).prefix(64))
        if isCode { code = text } else { type = text }
      case .number where isCode:
        if let value = scanner.number() {
          code = String(JSONText.string(UnsafeRawBufferPointer(rebasing: error[value])).prefix(64))
        }
      default: _ = scanner.skipValue()
      }
    }
    return code ?? type
  }
}

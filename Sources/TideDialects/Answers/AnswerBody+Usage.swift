import TideCore

extension AnswerBody {
  /// The usage that a whole answer reports, for one that is relayed without being looked at otherwise.
  ///
  /// - Returns: nil when `body` is no JSON object or does not say, once, what it cost.
  public static func reportedUsage(_ body: UnsafeRawBufferPointer, _ dialect: Dialect) -> TokenUsage? {
    var scanner = JSONScanner(body)
    guard scanner.peek() == .object, scanner.enterObject() else { return nil }
    var found: Range<Int>?
    while let key = scanner.nextKey() {
      guard let value = scanner.skipValue() else { return nil }
      guard scanner.equals(key, "usage") else { continue }
      guard found == nil else { return nil }
      found = value
    }
    guard scanner.atEnd(), let found, body[found.lowerBound] == UInt8(ascii: "{") else { return nil }
    let json = UnsafeRawBufferPointer(rebasing: body[found])
    guard dialect == .anthropic else { return TokenUsage(chat: json) }
    var usage = MessagesUsage()
    usage.merge(json)
    return usage.tokens(promptEstimate: 0, outputAtLeast: 0)
  }
}

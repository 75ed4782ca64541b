/// A pattern in which `*` stands for any run of bytes and `?` for one; everything else stands for itself.
///
/// Matching is linear in text times pattern at the worst, and never recurses.
public struct Glob: Sendable, Hashable {
  public let pattern: String
  private let bytes: [UInt8]
  /// Whether the pattern has no wildcard, so that it can be compared or listed as a plain name.
  public let isExact: Bool

  public init(_ pattern: String) {
    self.pattern = pattern
    bytes = Array(pattern.utf8)
    isExact = !bytes.contains(UInt8(ascii: "*")) && !bytes.contains(UInt8(ascii: "?"))
  }

  public func matches(_ text: String) -> Bool {
    if pattern == "*" { return true }
    var text = text
    return text.withUTF8 { matches(UnsafeRawBufferPointer($0)) }
  }

  public func matches(_ text: UnsafeRawBufferPointer) -> Bool {
    var at = 0
    var index = 0
    var star = -1
    var resume = 0
    while index < text.count {
      if at < bytes.count, bytes[at] == UInt8(ascii: "*") {
        star = at
        resume = index
        at += 1
      } else if at < bytes.count, bytes[at] == UInt8(ascii: "?") || bytes[at] == text[index] {
        at += 1
        index += 1
      } else if star >= 0 {
        at = star + 1
        resume += 1
        index = resume
      } else {
        return false
      }
    }
    while at < bytes.count, bytes[at] == UInt8(ascii: "*") { at += 1 }
    return at == bytes.count
  }
}

/// Counts an answer's tokens against a `limit` filter and finds the character at which the answer ends.
///
/// The engine's own count comes after the answer, so a limit that cuts has to estimate. It weighs characters, not the pieces in which
/// they come, so an answer ends at the same character however it was cut and whether it was streamed or not.
public struct OutputLimit: Sendable {
  /// The weight of a text in thousandths of a token. Of two texts in a row it must be the sum of theirs.
  public typealias Estimate = (UnsafeRawBufferPointer) -> Int

  /// A token for four bytes, as prompts are estimated.
  public static func fourBytesAToken(_ text: UnsafeRawBufferPointer) -> Int { text.count.saturatingMultiply(250) }

  public private(set) var tokensMax: Int
  /// Thousandths of a token that may still pass.
  private var left: Int

  public init(tokensMax: Int) {
    self.tokensMax = max(0, tokensMax)
    left = self.tokensMax.saturatingMultiply(1_000)
  }

  /// Whole tokens that have passed.
  public var tokens: Int { tokensMax - (left / 1_000) - (left % 1_000 > 0 ? 1 : 0) }

  /// Whole tokens by which the limit must rise for a text to pass.
  public func tokensMissing(for text: UnsafeRawBufferPointer, estimate: Estimate = OutputLimit.fourBytesAToken) -> Int {
    let over = max(0, estimate(text)) - left
    return over > 0 ? (over + 999) / 1_000 : 0
  }

  /// The same for text of so many bytes, a token for four.
  public func tokensMissing(forBytes count: Int) -> Int {
    let over = max(0, count).saturatingMultiply(250) - left
    return over > 0 ? (over + 999) / 1_000 : 0
  }

  /// Lets so many tokens more pass.
  public mutating func raise(by tokens: Int) {
    let (sum, overflow) = tokensMax.addingReportingOverflow(max(0, tokens))
    tokensMax = overflow ? .max : sum
    let (room, isFull) = left.addingReportingOverflow(max(0, tokens).saturatingMultiply(1_000))
    left = isFull ? .max : room
  }

  /// Counts the next text.
  ///
  /// - Returns: how many bytes of it may pass, whole characters, and whether the answer ends after them.
  public mutating func admit(
    _ text: UnsafeRawBufferPointer, estimate: Estimate = OutputLimit.fourBytesAToken
  ) -> (byteCount: Int, isReached: Bool) {
    let weight = max(0, estimate(text))
    guard weight > left else {
      left -= weight
      return (text.count, left == 0)
    }
    var fits = 0
    var over = text.count
    while over - fits > 1 {
      let middle = Self.characterStart(text, fits + (over - fits) / 2, above: fits)
      guard middle > fits, middle < over else {
        // No character begins between: try the next one above the middle.
        let next = Self.characterEnd(text, fits + (over - fits) / 2, below: over)
        guard next < over else { break }
        if estimate(UnsafeRawBufferPointer(rebasing: text[..<next])) <= left { fits = next } else { over = next }
        continue
      }
      if estimate(UnsafeRawBufferPointer(rebasing: text[..<middle])) <= left { fits = middle } else { over = middle }
    }
    left = 0
    return (fits, true)
  }

  /// Counts text of so many bytes, a token for four, if it may pass whole.
  public mutating func admit(byteCount: Int) -> Bool {
    let weight = max(0, byteCount).saturatingMultiply(250)
    guard weight <= left else { return false }
    left -= weight
    return true
  }

  /// The last beginning of a character at or before `place`; `floor` when there is none above it.
  private static func characterStart(_ text: UnsafeRawBufferPointer, _ place: Int, above floor: Int) -> Int {
    var start = place
    while start > floor, text[start] & 0xC0 == 0x80 { start -= 1 }
    return start
  }

  private static func characterEnd(_ text: UnsafeRawBufferPointer, _ place: Int, below ceiling: Int) -> Int {
    var end = place + 1
    while end < ceiling, text[end] & 0xC0 == 0x80 { end += 1 }
    return end
  }
}

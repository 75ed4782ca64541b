import TideCore

/// Makes a run of bytes, cut anywhere, into valid UTF-8: whole characters pass, a cut one waits, the rest becomes U+FFFD.
public struct UTF8Repair: BitwiseCopyable, Sendable {
  /// Up to three bytes that may still begin a character, first byte lowest.
  private var held: UInt32 = 0
  private var heldCount: UInt8 = 0

  public init() {}

  public var isClear: Bool { heldCount == 0 }

  /// Appends what `bytes` completes.
  ///
  /// - Returns: false when something had to be replaced.
  @discardableResult
  public mutating func append(_ bytes: UnsafeRawBufferPointer, into out: inout ByteQueue) -> Bool {
    var rest = bytes
    var isExact = true
    while heldCount > 0, let next = rest.first {
      if !join(next, into: &out) {
        isExact = false
        continue
      }
      rest = UnsafeRawBufferPointer(rebasing: rest[1...])
    }
    while !rest.isEmpty {
      let valid = UTF8Text.validPrefix(rest)
      if valid > 0 { out.append(UnsafeRawBufferPointer(rebasing: rest[..<valid])) }
      rest = UnsafeRawBufferPointer(rebasing: rest[valid...])
      guard let base = rest.baseAddress?.assumingMemoryBound(to: UInt8.self), !rest.isEmpty else { break }
      let length = UTF8Text.sequence(base, rest.count)
      if length < 0 {
        for byte in rest { hold(byte) }
        break
      }
      out.append("\u{FFFD}")
      isExact = false
      // One U+FFFD stands for the longest beginning of a character that broke off (Unicode, section 3.9).
      var broken = 1
      while broken < rest.count, UTF8Text.sequence(base, broken) == -broken, UTF8Text.sequence(base, broken + 1) < 0 {
        broken += 1
      }
      rest = UnsafeRawBufferPointer(rebasing: rest[broken...])
    }
    return isExact
  }

  /// Replaces what is held: nothing more will come.
  ///
  /// - Returns: false when something was held.
  @discardableResult
  public mutating func end(into out: inout ByteQueue) -> Bool {
    guard heldCount > 0 else { return true }
    self = UTF8Repair()
    out.append("\u{FFFD}")
    return false
  }

  private mutating func hold(_ byte: UInt8) {
    held |= UInt32(byte) << (8 * UInt32(heldCount))
    heldCount += 1
  }

  /// Adds `next` to what is held; false when it does not belong there (what was held is then replaced).
  private mutating func join(_ next: UInt8, into out: inout ByteQueue) -> Bool {
    let joined = held | UInt32(next) << (8 * UInt32(heldCount))
    let count = Int(heldCount) + 1
    let length = withUnsafeBytes(of: joined.littleEndian) {
      UTF8Text.sequence($0.baseAddress!.assumingMemoryBound(to: UInt8.self), count)
    }
    if length == 0 {
      end(into: &out)
      return false
    }
    if length < 0 {
      hold(next)
      return true
    }
    withUnsafeBytes(of: joined.littleEndian) { out.append(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
    self = UTF8Repair()
    return true
  }
}

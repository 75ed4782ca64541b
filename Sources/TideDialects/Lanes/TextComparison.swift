#if canImport(Glibc)
  import Glibc
#endif

/// Tells whether a processor changed a lane's text, and from where on, though it may hold text back for a while.
///
/// Keeps only what is held back: a lane that passes costs nothing.
struct TextComparison {
  /// What came and has not gone yet.
  private var pending: [UInt8] = []
  /// Bytes that went exactly as they came, from the lane's beginning.
  private(set) var sameByteCount = 0
  private(set) var isAltered = false

  init() {}

  mutating func note(came: UnsafeRawBufferPointer, went: UnsafeRawBufferPointer) {
    guard !isAltered else { return }
    if pending.isEmpty, came.count == went.count, Self.commonPrefix(came, went) == came.count {
      sameByteCount &+= came.count
      return
    }
    pending += came
    let common = pending.withUnsafeBytes { Self.commonPrefix($0, went) }
    sameByteCount &+= common
    if common == went.count {
      pending.removeFirst(common)
    } else {
      alter()
    }
  }

  /// The lane is at its end: what did not go was dropped.
  mutating func end() {
    if !pending.isEmpty { alter() }
  }

  /// Characters that went as they came, from the lane's beginning; `text` is what went.
  func sameCharacterCount(in text: some Sequence<UInt8>) -> Int {
    text.prefix(sameByteCount).count { $0 & 0xC0 != 0x80 }
  }

  private mutating func alter() {
    isAltered = true
    pending = []
  }

  private static func commonPrefix(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Int {
    let count = min(left.count, right.count)
    guard count > 0 else { return 0 }
    if memcmp(left.baseAddress!, right.baseAddress!, count) == 0 { return count }
    var same = 0
    while left[same] == right[same] { same &+= 1 }
    return same
  }
}

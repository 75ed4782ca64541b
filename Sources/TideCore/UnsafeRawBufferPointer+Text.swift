#if canImport(Glibc)
  import Glibc
#endif

extension UnsafeRawBufferPointer {
  /// Compares with a literal, without making a String of either.
  @inlinable
  public func equals(_ literal: StaticString) -> Bool {
    guard count == literal.utf8CodeUnitCount, let baseAddress else { return false }
    return memcmp(baseAddress, literal.utf8Start, count) == 0
  }

  /// Whether it begins with a literal in lower case, in whatever case of ASCII.
  public func beginsIgnoringCase(with literal: StaticString) -> Bool {
    guard count >= literal.utf8CodeUnitCount else { return false }
    for index in 0..<literal.utf8CodeUnitCount {
      let byte = self[index]
      if (byte &- 0x41 < 26 ? byte | 0x20 : byte) != literal.utf8Start[index] { return false }
    }
    return true
  }
}

/// The first line of a request, judged and cut into its parts (S-14 to S-16).
struct HTTP1RequestLine {
  enum Target { case origin, asterisk, absolute }

  private(set) var method = HTTP1Slice()
  /// Path and query; empty for an absolute-form target that has neither.
  private(set) var path = HTTP1Slice()
  /// The authority of an absolute-form target.
  private(set) var authority = HTTP1Slice()
  private(set) var target = Target.origin
  private(set) var isVersion10 = false
  /// HEAD: the response has no body.
  private(set) var isHead = false
  private(set) var isOptions = false

  /// Reads the line; returns why it is refused, or nil.
  mutating func parse(_ line: HTTP1Slice, of head: UnsafeRawBufferPointer, isSecure: Bool) -> HTTP1Rejection? {
    let bytes = line.of(head)
    guard let methodEnd = bytes.firstIndex(of: HTTP1Grammar.space),
      let versionStart = bytes.lastIndex(of: HTTP1Grammar.space), versionStart > methodEnd + 1
    else { return HTTP1Rejection(400, "The request line is not method, target and version.") }
    let methodBytes = UnsafeRawBufferPointer(rebasing: bytes[0..<methodEnd])
    guard HTTP1Grammar.isToken(methodBytes) else { return HTTP1Rejection(400, "The method is not a token.") }
    method = HTTP1Slice(start: line.start, count: methodEnd)
    let target = HTTP1Slice(start: line.start + methodEnd + 1, count: versionStart - methodEnd - 1)
    for byte in target.of(head) {
      // Blanks, fragments, backslashes and raw bytes outside of ASCII: readers disagree about where such a target ends.
      guard byte > 0x20, byte < 0x7F, byte != 0x23, byte != 0x5C else {
        return HTTP1Rejection(400, "The request target holds a byte that is not allowed.")
      }
    }
    if let rejection = takeVersion(UnsafeRawBufferPointer(rebasing: bytes[(versionStart + 1)...])) { return rejection }
    isHead = methodBytes.elementsEqual("HEAD".utf8)
    isOptions = methodBytes.elementsEqual("OPTIONS".utf8)
    if methodBytes.elementsEqual("CONNECT".utf8) || methodBytes.elementsEqual("TRACE".utf8) {
      return HTTP1Rejection(405, "CONNECT and TRACE are not allowed.")
    }
    return takeTarget(target, of: head, isSecure: isSecure)
  }

  private mutating func takeVersion(_ bytes: UnsafeRawBufferPointer) -> HTTP1Rejection? {
    guard bytes.count == 8, bytes.prefix(5).elementsEqual("HTTP/".utf8), HTTP1Grammar.isDigit(bytes[5]),
      bytes[6] == 0x2E, HTTP1Grammar.isDigit(bytes[7])
    else { return HTTP1Rejection(400, "The HTTP version is not valid.") }
    guard bytes[5] == 0x31, bytes[7] <= 0x31 else {
      return HTTP1Rejection(505, "The HTTP version is not supported here.")
    }
    isVersion10 = bytes[7] == 0x30
    return nil
  }

  private mutating func takeTarget(
    _ slice: HTTP1Slice, of head: UnsafeRawBufferPointer, isSecure: Bool
  ) -> HTTP1Rejection? {
    let bytes = slice.of(head)
    if bytes[0] == 0x2F {
      path = slice
      return nil
    }
    if bytes.count == 1, bytes[0] == 0x2A {
      guard isOptions else { return HTTP1Rejection(400, "The target * is for OPTIONS only.") }
      target = .asterisk
      path = slice
      return nil
    }
    let prefix: StaticString = isSecure ? "https://" : "http://"
    let prefixCount = prefix.utf8CodeUnitCount
    guard bytes.count > prefixCount,
      HTTP1Grammar.matches(UnsafeRawBufferPointer(rebasing: bytes[0..<prefixCount]), prefix)
    else { return HTTP1Rejection(400, "The request target is neither a path nor a URL of this connection's scheme.") }
    var end = prefixCount
    while end < bytes.count, bytes[end] != 0x2F, bytes[end] != 0x3F { end &+= 1 }
    target = .absolute
    authority = HTTP1Slice(start: slice.start + prefixCount, count: end - prefixCount)
    path = HTTP1Slice(start: slice.start + end, count: bytes.count - end)
    return nil
  }

  /// The path to hand on: as it came, or made whole for an absolute-form target without one (RFC 9112 section 3.2.2).
  func fullPath(of head: UnsafeRawBufferPointer) -> String {
    let given = path.string(of: head)
    guard target == .absolute else { return given }
    if given.isEmpty { return isOptions ? "*" : "/" }
    return given.utf8.first == 0x3F ? "/" + given : given
  }
}

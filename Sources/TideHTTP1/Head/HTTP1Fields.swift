import TideCore

/// What the fields of a head say about framing and about the connection, taken line by line and judged at once.
///
/// Rows S-01 to S-06, S-12, S-13 and S-17 of the robustness page live here. The same rules hold for both directions; only
/// requests have `Host` and `Expect`.
struct HTTP1Fields {
  enum Coding { case none, chunked }

  let isRequest: Bool
  private(set) var count = 0
  private(set) var contentLength: Int?
  private(set) var coding = Coding.none
  private(set) var host: HTTP1Slice?
  private(set) var wantsClose = false
  private(set) var expectsContinue = false
  /// Whether `Connection` names fields that are not in the fixed list of hop-by-hop fields.
  private var namesOtherFields = false
  private var optionCount = 0

  /// Connection options accepted in one head: each costs a comparison with every field.
  private static let optionLimit = 32

  init(isRequest: Bool) { self.isRequest = isRequest }

  /// Judges one field line, its CRLF left out.
  mutating func take(_ line: HTTP1Slice, of head: UnsafeRawBufferPointer) -> HTTP1Rejection? {
    let bytes = line.of(head)
    count &+= 1
    guard let colon = bytes.firstIndex(of: 0x3A) else { return HTTP1Rejection(400, "A header line has no colon.") }
    let name = UnsafeRawBufferPointer(rebasing: bytes[0..<colon])
    // A leading blank is obs-fold (RFC 9112 section 5.2), a blank before the colon is section 5.1's smuggling vector.
    guard HTTP1Grammar.isToken(name) else { return HTTP1Rejection(400, "A header name is not a token.") }
    if isRequest, name.contains(0x5F) {
      return HTTP1Rejection(400, "Header names with an underscore are refused.")
    }
    guard name.count < Int(UInt16.max) else { return HTTP1Rejection(431, "A header name is too long.") }
    let value = HTTP1Grammar.trimmed(UnsafeRawBufferPointer(rebasing: bytes[(colon + 1)...]))
    return interpret(name, value, head)
  }

  private mutating func interpret(
    _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ head: UnsafeRawBufferPointer
  ) -> HTTP1Rejection? {
    switch name.count {
    case 4 where isRequest && HTTP1Grammar.matches(name, "host"):
      guard host == nil else { return HTTP1Rejection(400, "There is more than one Host.") }
      guard HTTP1Host.isValid(value) else { return HTTP1Rejection(400, "The Host is not valid.") }
      host = HTTP1Slice(start: value.baseAddress! - head.baseAddress!, count: value.count)
    case 6 where isRequest && HTTP1Grammar.matches(name, "expect"):
      guard HTTP1Grammar.matches(value, "100-continue") else {
        return HTTP1Rejection(417, "Only the expectation 100-continue can be met.")
      }
      expectsContinue = true
    case 10 where HTTP1Grammar.matches(name, "connection"):
      return takeConnection(value)
    case 14 where HTTP1Grammar.matches(name, "content-length"):
      guard contentLength == nil else { return HTTP1Rejection(400, "There is more than one Content-Length.") }
      guard coding == .none else { return Self.bothLengths }
      guard let length = Self.length(value) else { return HTTP1Rejection(400, "The Content-Length is not valid.") }
      contentLength = length
    case 17 where HTTP1Grammar.matches(name, "transfer-encoding"):
      guard coding == .none else { return HTTP1Rejection(400, "There is more than one Transfer-Encoding.") }
      guard contentLength == nil else { return Self.bothLengths }
      guard HTTP1Grammar.matches(value, "chunked") else { return Self.refusedCoding(value) }
      coding = .chunked
    default: break
    }
    return nil
  }

  private static let bothLengths = HTTP1Rejection(
    400, "Content-Length and Transfer-Encoding exclude each other.")

  private mutating func takeConnection(_ value: UnsafeRawBufferPointer) -> HTTP1Rejection? {
    var rejection: HTTP1Rejection?
    HTTP1Grammar.forEachElement(of: value) { option in
      optionCount &+= 1
      if optionCount > Self.optionLimit {
        rejection = HTTP1Rejection(400, "Connection names too many options.")
        return false
      }
      if option.isEmpty { return true }
      guard HTTP1Grammar.isToken(option) else {
        rejection = HTTP1Rejection(400, "A Connection option is not a token.")
        return false
      }
      if HTTP1Grammar.matches(option, "close") {
        wantsClose = true
      } else if !HTTP1Grammar.matches(option, "keep-alive") {
        namesOtherFields = true
      }
      return true
    }
    return rejection
  }

  /// Digits only, no leading zero, at most 2^53 (S-03).
  static func length(_ value: UnsafeRawBufferPointer) -> Int? {
    guard value.count > 0, value.count <= 16 else { return nil }
    if value[0] == 0x30, value.count > 1 { return nil }
    var length = 0
    for byte in value {
      guard HTTP1Grammar.isDigit(byte) else { return nil }
      length = length &* 10 &+ Int(byte &- 0x30)
    }
    return length <= 1 << 53 ? length : nil
  }

  /// A well-formed list of registered codings that ends in `chunked` is merely not supported; all else is malformed, since
  /// the length of the body cannot be told (RFC 9112 section 6.3).
  private static func refusedCoding(_ value: UnsafeRawBufferPointer) -> HTTP1Rejection {
    var isKnown = true
    var endsInChunked = false
    HTTP1Grammar.forEachElement(of: value) { coding in
      let isChunked = HTTP1Grammar.matches(coding, "chunked")
      if endsInChunked { isKnown = false }
      endsInChunked = isChunked
      if !isChunked, !isCompression(coding) { isKnown = false }
      return isKnown
    }
    return isKnown && endsInChunked
      ? HTTP1Rejection(501, "Transfer codings other than chunked are not supported.")
      : HTTP1Rejection(400, "The Transfer-Encoding is not valid.")
  }

  private static func isCompression(_ coding: UnsafeRawBufferPointer) -> Bool {
    HTTP1Grammar.matches(coding, "gzip") || HTTP1Grammar.matches(coding, "deflate")
      || HTTP1Grammar.matches(coding, "compress") || HTTP1Grammar.matches(coding, "x-gzip")
      || HTTP1Grammar.matches(coding, "x-compress")
  }

  /// Copies the end-to-end fields of a validated head. `start` is where its first field line begins, `end` where the empty
  /// line does.
  func endToEnd(of head: UnsafeRawBufferPointer, from start: Int, to end: Int) -> HeaderList {
    var list = HeaderList()
    list.reserve(fields: count, bytes: max(0, end - start))
    Self.forEachField(of: head, from: start, to: end) { name, value in
      if HTTP1HopByHop.isDropped(name, value) { return }
      if isRequest, HTTP1Grammar.matches(name, "host") || HTTP1Grammar.matches(name, "expect") { return }
      if namesOtherFields, !HTTP1HopByHop.isProtected(name), isNamed(name, head, start, end) { return }
      list.append(name, value)
    }
    return list
  }

  private func isNamed(_ name: UnsafeRawBufferPointer, _ head: UnsafeRawBufferPointer, _ start: Int, _ end: Int) -> Bool
  {
    var isNamed = false
    Self.forEachField(of: head, from: start, to: end) { field, value in
      guard !isNamed, HTTP1Grammar.matches(field, "connection") else { return }
      HTTP1Grammar.forEachElement(of: value) { option in
        isNamed = HTTP1Grammar.matchesIgnoringCase(option, name)
        return !isNamed
      }
    }
    return isNamed
  }

  private static func forEachField(
    of head: UnsafeRawBufferPointer, from start: Int, to end: Int,
    _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Void
  ) {
    var lineStart = start
    while lineStart < end {
      var colon = lineStart
      while head[colon] != 0x3A { colon &+= 1 }
      var lineEnd = colon
      while head[lineEnd] != HTTP1Grammar.cr { lineEnd &+= 1 }
      body(
        UnsafeRawBufferPointer(rebasing: head[lineStart..<colon]),
        HTTP1Grammar.trimmed(UnsafeRawBufferPointer(rebasing: head[(colon + 1)..<lineEnd])))
      lineStart = lineEnd &+ 2
    }
  }
}

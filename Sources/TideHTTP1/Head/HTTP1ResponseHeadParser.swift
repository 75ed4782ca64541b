import TideCore

/// Reads one response head, interim or final, as its bytes arrive; as strict as for requests (S-18).
///
/// Pure, and used as `HTTP1RequestHeadParser` is.
public struct HTTP1ResponseHeadParser {
  public typealias Progress = HTTP1RequestHeadParser.Progress

  private let settings: HTTP1Settings
  private var scanner = HTTP1LineScanner()
  private var fields = HTTP1Fields(isRequest: false)
  private var fieldsStart: Int?
  private var fieldsEnd = 0
  private var isVersion10 = false
  /// Valid once the first line has been read.
  public private(set) var status = 0

  public init(settings: HTTP1Settings) { self.settings = settings }

  /// Whether the connection ends after this response. HTTP/1.0 is taken at its default.
  public var wantsClose: Bool { fields.wantsClose || isVersion10 }

  /// How the body's end is found. Valid once the head is complete.
  public func framing(toHeadRequest: Bool) -> HTTP1Framing {
    HTTP1Framing(
      status: status, toHeadRequest: toHeadRequest, length: fields.contentLength, isChunked: fields.coding == .chunked)
  }

  /// Judges what `head`, all bytes since the head began, holds more than at the last call.
  public mutating func parse(_ head: UnsafeRawBufferPointer) -> Progress {
    while true {
      switch scanner.next(in: head, limit: max(0, settings.headBytes - scanner.lineStart)) {
      case .incomplete: return .needsMore
      case .illegal: return .refused(HTTP1Rejection(502, "The head holds a bare CR or LF or a control byte."))
      case .tooLong: return .refused(HTTP1Rejection(502, "The head is too long."))
      case .line(let slice):
        if fieldsStart == nil {
          if let rejection = takeStatusLine(slice.of(head)) { return .refused(rejection) }
          fieldsStart = scanner.lineStart
        } else if slice.count == 0 {
          fieldsEnd = slice.start
          if let rejection = finish() { return .refused(rejection) }
          return .complete(byteCount: scanner.lineStart)
        } else {
          if fields.count >= settings.fieldCount {
            return .refused(HTTP1Rejection(502, "The head has too many fields."))
          }
          if let rejection = fields.take(slice, of: head) { return .refused(rejection) }
        }
      }
    }
  }

  private mutating func takeStatusLine(_ bytes: UnsafeRawBufferPointer) -> HTTP1Rejection? {
    let refusal = HTTP1Rejection(502, "The status line is not valid.")
    // The blank after the status is missing in some servers when there is no reason phrase; nothing hangs on it.
    guard bytes.count == 12 || (bytes.count > 12 && bytes[12] == HTTP1Grammar.space) else { return refusal }
    guard bytes.prefix(7).elementsEqual("HTTP/1.".utf8), bytes[7] == 0x30 || bytes[7] == 0x31,
      bytes[8] == HTTP1Grammar.space
    else { return refusal }
    var value = 0
    for byte in bytes[9..<12] {
      guard HTTP1Grammar.isDigit(byte) else { return refusal }
      value = value &* 10 &+ Int(byte &- 0x30)
    }
    guard value >= 100, value < 600 else { return refusal }
    isVersion10 = bytes[7] == 0x30
    status = value
    return nil
  }

  private func finish() -> HTTP1Rejection? {
    if fields.coding == .chunked, isVersion10 {
      return HTTP1Rejection(502, "HTTP/1.0 has no Transfer-Encoding.")
    }
    // RFC 9110 section 8.6 and RFC 9112 section 6.1. A length of 0 is wrong as well, but common and harmless.
    if status < 200 || status == 204, fields.coding == .chunked || (fields.contentLength ?? 0) > 0 {
      return HTTP1Rejection(502, "A response that has no body announces one.")
    }
    return nil
  }

  /// Builds the head from the bytes that `parse` found complete.
  public func makeHead(_ head: UnsafeRawBufferPointer) -> ResponseHead {
    ResponseHead(
      status: status, headers: fields.endToEnd(of: head, from: fieldsStart ?? 0, to: fieldsEnd),
      contentLength: fields.contentLength)
  }
}

import TideCore

/// Reads one request head as its bytes arrive.
///
/// Pure: no I/O, no clock, and nothing allocated before the head is complete. The caller keeps the bytes of the head
/// together and passes them all each time; what was judged before is not read again. The verdict is the same however the
/// bytes were split.
public struct HTTP1RequestHeadParser {
  public enum Progress: Equatable {
    case needsMore
    case refused(HTTP1Rejection)
    /// The head is whole and valid and takes this many bytes; `makeHead` builds it.
    case complete(byteCount: Int)
  }

  private let settings: HTTP1Settings
  private var scanner = HTTP1LineScanner()
  private var line = HTTP1RequestLine()
  private var fields = HTTP1Fields(isRequest: true)
  private var fieldsStart: Int?
  private var hasSkippedEmptyLine = false
  private var fieldsEnd = 0

  public init(settings: HTTP1Settings) { self.settings = settings }

  /// Whether the response to this request goes without a body.
  public var isHeadMethod: Bool { line.isHead }
  public var isVersion10: Bool { line.isVersion10 }
  /// Whether the peer asked for the connection to end after this exchange, or its version implies it.
  public var wantsClose: Bool { fields.wantsClose || line.isVersion10 }
  public var expectsContinue: Bool { fields.expectsContinue && !line.isVersion10 }
  /// How the body's end is found. Valid once the head is complete.
  public var framing: HTTP1Framing {
    HTTP1Framing(requestLength: fields.contentLength, isChunked: fields.coding == .chunked)
  }

  /// Judges what `head`, all bytes since the head began, holds more than at the last call.
  public mutating func parse(_ head: UnsafeRawBufferPointer) -> Progress {
    while true {
      let isFirst = fieldsStart == nil
      let room = max(0, settings.headBytes - scanner.lineStart)
      switch scanner.next(in: head, limit: isFirst ? min(settings.requestLineBytes, room) : room) {
      case .incomplete: return .needsMore
      case .illegal:
        return .refused(HTTP1Rejection(400, "The head holds a bare CR or LF or a control byte."))
      case .tooLong:
        return .refused(
          isFirst ? HTTP1Rejection(414, "The request line is too long.") : HTTP1Rejection(431, "The head is too long."))
      case .line(let slice):
        if !isFirst {
          if slice.count == 0 {
            fieldsEnd = slice.start
            if let rejection = finish(head) { return .refused(rejection) }
            return .complete(byteCount: scanner.lineStart)
          }
          if fields.count >= settings.fieldCount {
            return .refused(HTTP1Rejection(431, "The head has too many fields."))
          }
          if let rejection = fields.take(slice, of: head) { return .refused(rejection) }
        } else if slice.count == 0, !hasSkippedEmptyLine {
          // RFC 9112 section 2.2: one empty line before the request line is forgiven.
          hasSkippedEmptyLine = true
        } else {
          if let rejection = line.parse(slice, of: head, isSecure: settings.isSecure) { return .refused(rejection) }
          fieldsStart = scanner.lineStart
        }
      }
    }
  }

  /// What can only be judged once all fields are known.
  private func finish(_ head: UnsafeRawBufferPointer) -> HTTP1Rejection? {
    if line.isVersion10, fields.coding == .chunked {
      return HTTP1Rejection(400, "HTTP/1.0 has no Transfer-Encoding.")
    }
    guard let host = fields.host else {
      if line.isVersion10, line.target != .absolute { return nil }
      return HTTP1Rejection(400, "The Host is missing.")
    }
    if line.target == .absolute, !HTTP1Grammar.matchesIgnoringCase(line.authority.of(head), host.of(head)) {
      return HTTP1Rejection(400, "The request target and the Host differ.")
    }
    return nil
  }

  /// Builds the head from the bytes that `parse` found complete: end-to-end fields only, framing interpreted.
  public func makeHead(_ head: UnsafeRawBufferPointer) -> RequestHead {
    RequestHead(
      method: line.method.string(of: head), scheme: settings.isSecure ? "https" : "http",
      authority: fields.host?.string(of: head) ?? "", path: line.fullPath(of: head),
      headers: fields.endToEnd(of: head, from: fieldsStart ?? 0, to: fieldsEnd), contentLength: fields.contentLength)
  }
}

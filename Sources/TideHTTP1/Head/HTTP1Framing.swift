/// How the end of a body is found (RFC 9112 section 6.3), decided once per message.
public enum HTTP1Framing: Equatable, Sendable {
  case none
  case fixed(Int)
  case chunked
  /// Responses only: the body lasts as long as the connection.
  case untilClose

  /// A request without a length has no body, in HTTP/1.0 as well (S-14).
  init(requestLength: Int?, isChunked: Bool) {
    if isChunked {
      self = .chunked
    } else if let requestLength, requestLength > 0 {
      self = .fixed(requestLength)
    } else {
      self = .none
    }
  }

  init(status: Int, toHeadRequest: Bool, length: Int?, isChunked: Bool) {
    if toHeadRequest || Self.isBodyless(status) {
      self = .none
    } else if isChunked {
      self = .chunked
    } else if let length {
      self = length > 0 ? .fixed(length) : .none
    } else {
      self = .untilClose
    }
  }

  /// Whether responses with this status never have a body, whatever their fields say.
  static func isBodyless(_ status: Int) -> Bool { status < 200 || status == 204 || status == 304 }
}

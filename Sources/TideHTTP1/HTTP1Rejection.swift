import TideCore

/// Why a message is refused: the status a client is told, and a sentence that names the rule.
public struct HTTP1Rejection: Sendable, Equatable, Error {
  public var status: Int
  public var message: String

  init(_ status: Int, _ message: StaticString) {
    self.status = status
    self.message = message.withUTF8Buffer { String(decoding: $0, as: UTF8.self) }
  }

  /// Appends the whole response: head, and a body of OpenAI's error shape. It always ends the connection.
  func render(into queue: inout ByteQueue, withoutBody: Bool) {
    // The messages are ours and hold nothing that JSON would escape.
    let body =
      #"{"error":{"message":"\#(message)","type":"invalid_request_error","param":null,"code":null}}"#
    queue.append("HTTP/1.1 \(status) ")
    queue.append(HTTP1StatusReason.phrase(for: status))
    queue.append("\r\nContent-Type: application/json\r\nConnection: close\r\n")
    if status == 405 { queue.append("Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n") }
    queue.append("Content-Length: \(body.utf8.count)\r\n\r\n")
    if !withoutBody { queue.append(body) }
  }
}

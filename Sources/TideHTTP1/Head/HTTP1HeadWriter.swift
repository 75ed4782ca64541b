import TideCore

/// Serialises heads. What it writes is always one well-formed head: framing comes from the caller's decision and never from
/// the list, and a field that could break out of its line is left out.
enum HTTP1HeadWriter {
  static func writeResponse(
    _ head: ResponseHead, framing: HTTP1Framing, announcedLength: Int?, closes: Bool, into queue: inout ByteQueue
  ) {
    queue.append("HTTP/1.1 ")
    appendNumber(head.status, to: &queue)
    queue.append(byte: HTTP1Grammar.space)
    queue.append(HTTP1StatusReason.phrase(for: head.status))
    queue.append("\r\n")
    writeFields(head.headers, dropping: "", into: &queue)
    writeFraming(framing, announcedLength: announcedLength, into: &queue)
    if closes { queue.append("Connection: close\r\n") }
    queue.append("\r\n")
  }

  static func writeRequest(
    _ head: RequestHead, framing: HTTP1Framing, announcedLength: Int?, into queue: inout ByteQueue
  ) {
    appendVisible(head.method, to: &queue, escaping: false)
    queue.append(byte: HTTP1Grammar.space)
    if head.path.isEmpty { queue.append("/") } else { appendVisible(head.path, to: &queue, escaping: true) }
    queue.append(" HTTP/1.1\r\nHost: ")
    appendVisible(head.authority, to: &queue, escaping: false)
    queue.append("\r\n")
    writeFields(head.headers, dropping: "host", into: &queue)
    writeFraming(framing, announcedLength: announcedLength, into: &queue)
    queue.append("\r\n")
  }

  private static func writeFraming(_ framing: HTTP1Framing, announcedLength: Int?, into queue: inout ByteQueue) {
    if framing == .chunked {
      queue.append("Transfer-Encoding: chunked\r\n")
    } else if let announcedLength {
      queue.append("Content-Length: ")
      appendNumber(max(0, announcedLength), to: &queue)
      queue.append("\r\n")
    }
  }

  private static func writeFields(_ list: HeaderList, dropping dropped: StaticString, into queue: inout ByteQueue) {
    list.forEach { name, value in
      if HTTP1HopByHop.isDropped(name, value) || HTTP1Grammar.matches(name, dropped) { return }
      if HTTP1Grammar.matches(name, "expect") { return }
      guard HTTP1Grammar.isToken(name), isSafe(value) else { return }
      queue.append(name)
      queue.append(": ")
      queue.append(value)
      queue.append("\r\n")
    }
  }

  private static func isSafe(_ value: UnsafeRawBufferPointer) -> Bool {
    for byte in value where byte < 0x20 && byte != HTTP1Grammar.tab || byte == 0x7F { return false }
    return true
  }

  private static func appendNumber(_ number: Int, to queue: inout ByteQueue) {
    var number = number
    var digits: UInt64 = 0
    var rest = 0
    // At most 19 digits; eight fit in a word, more take the plain way.
    if number < 0 || number > 99_999_999 { return queue.append(String(number)) }
    repeat {
      digits = digits << 8 | UInt64(0x30 + number % 10)
      number /= 10
      rest += 1
    } while number > 0
    withUnsafeBytes(of: digits.littleEndian) { queue.append(UnsafeRawBufferPointer(rebasing: $0[0..<rest])) }
  }

  /// Appends visible ASCII as it is; other bytes are percent-encoded in a path and left out elsewhere.
  private static func appendVisible(_ text: String, to queue: inout ByteQueue, escaping: Bool) {
    let hex: StaticString = "0123456789ABCDEF"
    for byte in text.utf8 {
      if byte > 0x20, byte < 0x7F, !(escaping && byte == 0x23) {
        queue.append(byte: byte)
      } else if escaping {
        queue.append(byte: 0x25)
        queue.append(byte: hex.utf8Start[Int(byte >> 4)])
        queue.append(byte: hex.utf8Start[Int(byte & 15)])
      }
    }
  }
}

import TideCore
import TideHTTP2

/// The one request that all streams of a run send.
final class BenchRequest: Sendable {
  let head: RequestHead
  let body: [UInt8]
  /// The head as an HTTP/2 header block.
  let block: [UInt8]

  /// - Throws: which header field cannot be sent.
  init(_ settings: BenchSettings, _ target: BenchTarget) throws(Diagnostic) {
    var json =
      "{\"model\":\"\(Self.escaped(settings.model))\",\"stream\":\(settings.kind == .requests ? "false" : "true")"
    if settings.maxTokens > 0 { json += ",\"max_tokens\":\(settings.maxTokens)" }
    let prompt = Self.escaped(settings.prompt)
    if target.path.hasSuffix("/completions"), !target.path.hasSuffix("/chat/completions") {
      json += ",\"prompt\":\"\(prompt)\"}"
    } else {
      json += ",\"messages\":[{\"role\":\"user\",\"content\":\"\(prompt)\"}]}"
    }
    body = Array(json.utf8)
    var headers = HeaderList([("content-type", "application/json"), ("x-engine-due", "1")])
    if !settings.apiKey.isEmpty { headers.append("authorization", "Bearer \(settings.apiKey)") }
    for (name, value) in settings.headers {
      guard !name.isEmpty, name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: ":") }),
        value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
      else { throw Diagnostic(file: "", message: "`\(name): \(value)` is no header field", hint: "write name: value") }
      headers.set(name.lowercased(), value)
    }
    head = RequestHead(
      method: "POST", scheme: target.isSecure ? "https" : "http", authority: target.authority, path: target.path,
      headers: headers, contentLength: body.count)
    block = HeaderBlock.make(head)
    guard block.count <= FrameHeader.payloadLimit else {
      throw Diagnostic(
        file: "", message: "the request's header fields take \(block.count) bytes",
        hint: "an HTTP/2 frame holds \(FrameHeader.payloadLimit)")
    }
  }

  private static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      case _ where scalar.value < 0x20: result += " "
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}

import TideCore

/// The one request that all streams of a run send.
struct BenchRequest {
  let head: RequestHead
  let body: [UInt8]

  init(_ settings: BenchSettings, _ target: BenchTarget) {
    var json =
      "{\"model\":\"\(Self.escaped(settings.model))\",\"stream\":\(settings.kind == .requests ? "false" : "true")"
    if settings.maxTokens > 0 { json += ",\"max_tokens\":\(settings.maxTokens)" }
    json += ",\"messages\":[{\"role\":\"user\",\"content\":\"\(Self.escaped(settings.prompt))\"}]}"
    body = Array(json.utf8)
    var headers = HeaderList([("content-type", "application/json"), ("x-engine-due", "1")])
    if !settings.apiKey.isEmpty { headers.append("authorization", "Bearer \(settings.apiKey)") }
    head = RequestHead(
      method: "POST", scheme: target.isSecure ? "https" : "http", authority: target.authority, path: target.path,
      headers: headers, contentLength: body.count)
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

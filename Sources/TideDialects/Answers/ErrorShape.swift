import TideCore

/// Error bodies as the providers' own APIs send them, so that official SDKs raise their usual exceptions.
public enum ErrorShape {
  /// `{"error":{"message":...,"type":...,"param":...,"code":...}}`.
  ///
  /// - Parameters:
  ///   - type: nil takes what OpenAI uses for the status.
  ///   - code: nil takes what OpenAI uses for the status, which may be `null`.
  public static func openAI(
    status: Int, message: String, type: String? = nil, param: String? = nil, code: String? = nil
  ) -> [UInt8] {
    var out = ByteQueue()
    writeOpenAI(status: status, message: message, type: type, param: param, code: code, into: &out)
    return [UInt8](out.readableBytes)
  }

  /// The type that OpenAI gives errors of `status`.
  public static func defaultType(status: Int) -> String {
    switch status {
    case 403: "permission_error"
    case 429: "rate_limit_error"
    case 500...: "server_error"
    default: "invalid_request_error"
    }
  }

  /// The code that OpenAI gives errors of `status`; nil where it depends on the cause.
  public static func defaultCode(status: Int) -> String? {
    switch status {
    case 401: "invalid_api_key"
    case 403: "permission_denied"
    case 404: "model_not_found"
    case 405: "method_not_allowed"
    case 408: "request_timeout"
    case 413: "request_too_large"
    case 429: "rate_limit_exceeded"
    case 502: "bad_gateway"
    case 503: "service_unavailable"
    case 504: "gateway_timeout"
    case 500...: "server_error"
    default: nil
    }
  }

  static func writeOpenAI(
    status: Int, message: String, type: String?, param: String?, code: String?, into out: inout ByteQueue
  ) {
    out.append("{\"error\":{\"message\":")
    JSONText.quote(message, into: &out)
    out.append(",\"type\":")
    JSONText.quote(type ?? defaultType(status: status), into: &out)
    out.append(",\"param\":")
    writeNullable(param, into: &out)
    out.append(",\"code\":")
    writeNullable(code ?? defaultCode(status: status), into: &out)
    out.append("}}")
  }

  private static func writeNullable(_ text: String?, into out: inout ByteQueue) {
    if let text { JSONText.quote(text, into: &out) } else { out.append("null") }
  }
}

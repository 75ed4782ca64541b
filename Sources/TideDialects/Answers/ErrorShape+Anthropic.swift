import TideCore

/// Errors as Anthropic's API sends them.
extension ErrorShape {
  /// `{"type":"error","error":{"type":...,"message":...},"request_id":...}`.
  ///
  /// - Parameters:
  ///   - type: counts only when it is one of Anthropic's own; else the status decides.
  ///   - requestID: left out when nil.
  public static func anthropic(
    status: Int, message: String, type: String? = nil, requestID: String? = nil
  ) -> [UInt8] {
    var out = ByteQueue()
    writeAnthropic(status: status, message: message, type: type, requestID: requestID, into: &out)
    return [UInt8](out.readableBytes)
  }

  /// The type that Anthropic gives errors of `status`.
  public static func anthropicType(status: Int) -> String {
    switch status {
    case 401: "authentication_error"
    case 402: "billing_error"
    case 403: "permission_error"
    case 404: "not_found_error"
    case 408, 504: "timeout_error"
    case 409: "conflict_error"
    case 413: "request_too_large"
    case 429: "rate_limit_error"
    case 503, 529: "overloaded_error"
    case 500...: "api_error"
    default: "invalid_request_error"
    }
  }

  private static let anthropicTypes: Set<String> = [
    "invalid_request_error", "authentication_error", "billing_error", "permission_error", "not_found_error",
    "conflict_error", "request_too_large", "rate_limit_error", "api_error", "timeout_error", "overloaded_error",
  ]

  static func writeAnthropic(
    status: Int, message: String, type: String?, requestID: String?, into out: inout ByteQueue
  ) {
    let known = type.flatMap { anthropicTypes.contains($0) ? $0 : nil }
    out.append("{\"type\":\"error\",\"error\":{\"type\":")
    JSONText.quote(known ?? anthropicType(status: status), into: &out)
    out.append(",\"message\":")
    JSONText.quote(message, into: &out)
    out.append("}")
    if let requestID {
      out.append(",\"request_id\":")
      JSONText.quote(requestID, into: &out)
    }
    out.append("}")
  }
}

extension ErrorShape {
  /// The error body of a dialect.
  ///
  /// - Parameters:
  ///   - type: nil takes what the provider uses for the status.
  ///   - code: as `type`; Anthropic has none.
  public static func body(
    _ dialect: Dialect, status: Int, message: String, type: String? = nil, param: String? = nil, code: String? = nil,
    requestID: String? = nil
  ) -> [UInt8] {
    switch dialect {
    case .openAI, .responses: openAI(status: status, message: message, type: type, param: param, code: code)
    case .anthropic: anthropic(status: status, message: message, type: type, requestID: requestID)
    }
  }
}

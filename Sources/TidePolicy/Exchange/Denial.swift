/// A refusal, to be rendered in the client's dialect.
public struct Denial: Sendable, Equatable {
  /// 400 to 599.
  public var status: Int
  /// The machine-readable code: `invalid_api_key`. Empty leaves it to the dialect.
  public var code: String
  /// For a person. Empty leaves it to the status.
  public var message: String
  /// The dialect's error type: `invalid_request_error`. Empty leaves it to the dialect.
  public var type: String
  /// Additional fields, validated: names lower case, no framing and no hop-by-hop fields.
  public var headers: [(name: String, value: String)]
  public var retryAfterMs: Int?

  public init(
    status: Int, code: String = "", message: String = "", type: String = "",
    headers: [(name: String, value: String)] = [], retryAfterMs: Int? = nil
  ) {
    self.status = status
    self.code = code
    self.message = message
    self.type = type
    self.headers = headers
    self.retryAfterMs = retryAfterMs
  }

  /// What a client gets whom no policy knows.
  public static let unauthenticated = Denial(
    status: 401, code: "invalid_api_key", message: "Missing or invalid API key.")

  /// What a client gets when a policy that must run could not.
  public static let policyFailed = Denial(
    status: 503, code: "policy_error", message: "The request could not be processed.")

  public static func == (a: Denial, b: Denial) -> Bool {
    a.status == b.status && a.code == b.code && a.message == b.message && a.type == b.type
      && a.retryAfterMs == b.retryAfterMs && a.headers.elementsEqual(b.headers, by: ==)
  }
}

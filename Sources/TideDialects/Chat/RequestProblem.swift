/// Why a request is refused before any policy saw it, in the words of the provider's API.
public struct RequestProblem: Error, Equatable, Sendable {
  public var status: Int
  public var message: String
  /// The parameter at fault.
  public var param: String?
  public var code: String?

  public init(status: Int = 400, message: String, param: String? = nil, code: String? = nil) {
    self.status = status
    self.message = message
    self.param = param
    self.code = code
  }

  /// The error body that the provider would send.
  public func body() -> [UInt8] {
    ErrorShape.openAI(status: status, message: message, param: param, code: code)
  }
}

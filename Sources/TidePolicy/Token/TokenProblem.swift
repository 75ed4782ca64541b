/// Why a token is refused; what a policy gets as `err`. Says nothing of the token's content.
struct TokenProblem: Error, Equatable {
  enum Code: String {
    case malformed = "malformed"
    case badAlgorithm = "bad_algorithm"
    case unknownKey = "unknown_key"
    case badSignature = "bad_signature"
    case expired = "expired"
    case notYetValid = "not_yet_valid"
    case badIssuer = "bad_issuer"
    case badAudience = "bad_audience"
    case missingClaim = "missing_claim"
  }

  var code: Code
  var message: String

  init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }
}

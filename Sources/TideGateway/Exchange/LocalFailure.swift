import TideCoding
import TideCore
import TideDialects

/// An answer that the gateway makes itself when it cannot serve: what the client's SDK is told, and how it is counted.
struct LocalFailure {
  var status: Int
  var code: String?
  var message: String
  var outcome: ExchangeOutcome
  /// Sent as `retry-after`, in seconds.
  var retryAfterSeconds: Int?

  init(
    _ status: Int, _ code: String?, _ message: String, _ outcome: ExchangeOutcome = .rejected,
    retryAfterSeconds: Int? = nil
  ) {
    self.status = status
    self.code = code
    self.message = message
    self.outcome = outcome
    self.retryAfterSeconds = retryAfterSeconds
  }

  static let requestTimedOut = LocalFailure(
    408, "request_timeout", "The request's body did not arrive in time.", .timedOut)
  static let connectTimedOut = LocalFailure(
    504, "upstream_connect_timeout", "The upstream could not be reached in time.", .upstreamFailed)
  static let upstreamBusy = LocalFailure(
    503, "upstream_busy", "Every connection to the upstream is in use; try again.", .upstreamFailed,
    retryAfterSeconds: 1)
  static let upstreamTimedOut = LocalFailure(504, "upstream_timeout", "The upstream did not answer in time.", .timedOut)
  static let upstreamClosed = LocalFailure(
    502, "upstream_closed", "The upstream closed before it answered.", .upstreamDied)
  static let upstreamMalformed = LocalFailure(
    502, "upstream_malformed", "The upstream's answer could not be read.", .upstreamDied)
  static let badArguments = LocalFailure(
    502, StreamFailure.badArguments.code, StreamFailure.badArguments.message, .upstreamDied)
  static let policyFailed = LocalFailure(503, "policy_failed", "A policy of this gateway failed.", .policyFailed)
  static let policyTimedOut = LocalFailure(
    504, "policy_timeout", "A policy of this gateway took too long.", .policyFailed)
  static let retriesExhausted = LocalFailure(
    502, "retries_exhausted", "A policy refused every answer of the upstream.", .upstreamFailed)
  static let overloaded = LocalFailure(
    503, "overloaded", "The gateway is overloaded; try again.", .shed, retryAfterSeconds: 1)
  static let notFound = LocalFailure(404, "not_found", "There is nothing at this path.")
  static let missingModel = LocalFailure(400, "missing_model", "The request must name a model.")
  /// Not the client's mistake: its model may well be there.
  static let noSuchTarget = LocalFailure(
    503, "policy_target_unknown",
    "A policy of this gateway sends this request to a model or cluster that the gateway does not have. Its log names them.",
    .policyFailed)
  static let noUpstream = LocalFailure(503, "no_upstream", "No upstream can take this request.", .upstreamFailed)

  static func tooLarge(_ limit: Int, _ how: String = "") -> LocalFailure {
    LocalFailure(413, "request_too_large", "The request's body is larger than \(limit) bytes\(how).")
  }

  static func unsupportedEncoding(_ problem: String) -> LocalFailure {
    LocalFailure(
      415, "unsupported_content_encoding",
      "The request's body \(problem). Send it plain, or with one of \(ContentCoding.list).")
  }

  static func unknownModel(_ model: String) -> LocalFailure {
    LocalFailure(
      404, "model_not_found", "The model `\(model.prefix(128))` does not exist or you do not have access to it.")
  }

  static func unspoken(_ dialect: Dialect, model: String, cluster: String) -> LocalFailure {
    LocalFailure(
      400, "unsupported_dialect",
      "The model `\(model.prefix(128))` is served by the cluster `\(cluster)`, which does not speak \(dialect.name); this gateway does not translate."
    )
  }

  static func unreachable(_ failure: PoolFailure) -> LocalFailure {
    switch failure {
    case .timedOut: .connectTimedOut
    case .full: .upstreamBusy
    case .resolve, .connect, .forbidden:
      LocalFailure(502, "upstream_unreachable", "The upstream could not be reached.", .upstreamFailed)
    }
  }
}

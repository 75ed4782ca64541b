import TideCore

/// What a policy demands of a token: the options of `tide.jwt.verify`, checked.
struct TokenRules {
  private static let leewayMsMax = 600_000
  private static let leewayMsDefault = 30_000

  var algorithms: [SignatureAlgorithm] = []
  var keys: [JSONWebKey] = []
  /// Any of them; nil asks for none.
  var issuers: [String]?
  /// One of them must be among the token's; nil when a token must name none.
  var audiences: [String]?
  var leewayMs = Self.leewayMsDefault
  /// Claims that must be there.
  var required = ["exp"]

  /// - Parameter secret: the bytes of the option `secret`, which may be a value that scripts cannot read.
  init(_ options: PolicyValue, secret: [UInt8]?) throws(HostError) {
    for entry in try VerdictReader.fields(options, .jwtVerify) {
      do throws(HostError) {
        switch entry.key {
        case "keys": keys = try JSONWebKey.list(entry.value)
        case "algs": algorithms = try Self.algorithms(entry.value)
        case "iss": issuers = try Self.texts(entry.value, "iss")
        case "aud": audiences = try Self.texts(entry.value, "aud")
        case "require": required = try Self.texts(entry.value, "require", mayBeEmpty: true)
        case "leeway":
          leewayMs = try VerdictReader.milliseconds(entry.value, "leeway")
          guard leewayMs <= Self.leewayMsMax else { throw HostError("leeway must be at most 10 minutes") }
        default: break
        }
      } catch {
        throw HostError("tide.jwt.verify: \(error.message)")
      }
    }
    guard !algorithms.isEmpty else {
      throw HostError("tide.jwt.verify: say which algorithms are allowed: algs = { \"RS256\" }")
    }
    guard (secret == nil) != (options["keys"] == nil) else {
      throw HostError("tide.jwt.verify: give either keys or secret")
    }
    if let secret { keys = [try Self.key(secret: secret, algorithms)] }
  }

  private static func key(secret: [UInt8], _ algorithms: [SignatureAlgorithm]) throws(HostError) -> JSONWebKey {
    guard algorithms.allSatisfy({ $0.keyKind == .secret }) else {
      throw HostError("tide.jwt.verify: a secret is for HS256, HS384 and HS512; the others need keys")
    }
    // Everybody knows a public key: whoever took one for a secret would let everybody sign.
    guard !secret.starts(with: Array("-----BEGIN".utf8)) else {
      throw HostError("tide.jwt.verify: the secret is a key in PEM; pass it as keys")
    }
    return JSONWebKey(material: .secret(secret))
  }

  private static func algorithms(_ value: PolicyValue) throws(HostError) -> [SignatureAlgorithm] {
    var result: [SignatureAlgorithm] = []
    for name in try texts(value, "algs") {
      guard let algorithm = SignatureAlgorithm(rawValue: name) else {
        let known = SignatureAlgorithm.allCases.map(\.rawValue)
        throw HostError("algs: unknown algorithm \(name)" + SchemaReader.suggestion(name, known))
      }
      result.append(algorithm)
    }
    return result
  }

  /// A string, or a list of them.
  private static func texts(
    _ value: PolicyValue, _ name: String, mayBeEmpty: Bool = false
  ) throws(HostError) -> [String] {
    if let text = value.text { return [text] }
    guard let elements = value.elements, mayBeEmpty || !elements.isEmpty else {
      throw HostError("\(name) must be a string or a list of strings")
    }
    let texts = elements.compactMap(\.text)
    guard texts.count == elements.count else { throw HostError("\(name) must be a string or a list of strings") }
    return texts
  }

  // MARK: Checking

  /// The keys among which the token's is, by its algorithm and the name that it gives: never more than one.
  func key(
    of token: JSONWebToken, kind: (JSONWebKey) throws(HostError) -> SignatureKeyKind
  ) throws(HostError) -> Result<JSONWebKey, TokenProblem> {
    var fitting: [JSONWebKey] = []
    for key in keys {
      if let only = key.algorithm, only != token.algorithm.rawValue { continue }
      // A key that is named differently need not be looked at.
      if let id = key.id, let wanted = token.keyID, id != wanted { continue }
      if try kind(key) == token.algorithm.keyKind { fitting.append(key) }
    }
    if token.keyID != nil, let named = fitting.first(where: { $0.id != nil }) { return .success(named) }
    guard fitting.count <= 1 else {
      return .failure(TokenProblem(.unknownKey, "the token names no key, and several would fit"))
    }
    return fitting.first.map { .success($0) }
      ?? .failure(TokenProblem(.unknownKey, "there is no key of the token's name and algorithm"))
  }

  /// - Parameter nowMs: since 1970.
  func check(_ claims: PolicyValue, nowMs: Double) throws(TokenProblem) {
    for name in required where claims[name] == nil || claims[name] == .null {
      throw TokenProblem(.missingClaim, "the token lacks the claim \(name)")
    }
    let leeway = Double(leewayMs)
    if let expiry = try Self.time(claims, "exp"), nowMs >= expiry + leeway {
      throw TokenProblem(.expired, "the token has expired")
    }
    for name in ["nbf", "iat"] {
      if let begin = try Self.time(claims, name), nowMs < begin - leeway {
        throw TokenProblem(.notYetValid, "the token is not valid yet")
      }
    }
    if let issuers {
      guard let issuer = claims["iss"]?.text, issuers.contains(issuer) else {
        throw TokenProblem(.badIssuer, "the token is of another issuer")
      }
    }
    // A token that is meant for somebody must be refused by everybody else (RFC 7519 section 4.1.3).
    guard audiences != nil || claims["aud"] != nil else { return }
    var named: [String] = []
    if let value = claims["aud"] {
      named = value.text.map { [$0] } ?? (value.elements ?? []).compactMap(\.text)
    }
    guard let audiences, named.contains(where: audiences.contains) else {
      throw TokenProblem(.badAudience, "the token is meant for somebody else")
    }
  }

  /// A claim in seconds since 1970, as milliseconds.
  private static func time(_ claims: PolicyValue, _ name: String) throws(TokenProblem) -> Double? {
    guard let value = claims[name] else { return nil }
    guard let seconds = value.double, seconds.isFinite, abs(seconds) < 1e12 else {
      throw TokenProblem(.malformed, "the token's \(name) is not a time")
    }
    return seconds * 1_000
  }
}

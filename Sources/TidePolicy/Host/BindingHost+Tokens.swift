import TideCore
import TideLua

/// `tide.jwt`.
extension BindingHost {
  private static let signatureKeysMax = 64

  func verifyToken(_ arguments: LuaArguments, _ results: inout LuaResults) throws(HostError) -> HostCallStatus {
    guard let text = arguments[0].bytes else {
      throw HostError("tide.jwt.verify: the token must be a string, got \(arguments[0].typeName)")
    }
    let options = arguments[1].value
    let rules = try TokenRules(PolicyValue(options), secret: try secretBytes(options["secret"]))
    do throws(TokenProblem) {
      let token = try JSONWebToken(text, algorithms: rules.algorithms)
      let key: Result<any SignatureKey, TokenProblem>
      do throws(HostError) { key = try signatureKey(of: token, rules) } catch { return .raise(error.message) }
      let isGood = try key.get().verifiesAll(token)
      guard isGood else { throw TokenProblem(.badSignature, "the token's signature is not of its key") }
      let claims = try token.claims()
      try rules.check(claims, nowMs: services.wallClockMs())
      results.append(claims.luaValue(hide: hide))
      return .ok
    } catch {
      return .returnsNilError(code: error.code.rawValue, message: error.message)
    }
  }

  /// The option `secret`: a string, or what the configuration holds without scripts seeing it.
  private func secretBytes(_ value: LuaValue?) throws(HostError) -> [UInt8]? {
    switch value {
    case nil, .nilValue?: return nil
    case .string(let bytes)?: return bytes
    case .opaque(let opaque)? where opaque.kind == Self.secretKind && Int(opaque.id) < secrets.count:
      return Array(secrets[Int(opaque.id)].reveal().utf8)
    default: throw HostError("tide.jwt.verify: secret must be a secret or a string")
    }
  }

  private func signatureKey(
    of token: JSONWebToken, _ rules: TokenRules
  ) throws(HostError) -> Result<any SignatureKey, TokenProblem> {
    let chosen = try rules.key(of: token) { key throws(HostError) in
      switch key.material {
      case .secret: .secret
      case .rsa: .rsa
      case .p256: .p256
      case .p384: .p384
      case .ed25519: .ed25519
      case .pem: try made(key.material).kind
      }
    }
    let key: JSONWebKey
    do throws(TokenProblem) { key = try chosen.get() } catch { return .failure(error) }
    // What is wrong with one of several choices is the token's affair, which made it: an error would let forgers open the breaker.
    if case .secret(let bytes) = key.material, bytes.count < token.algorithm.digestByteCount {
      // RFC 7518 section 3.2.
      let message = "\(token.algorithm.rawValue) needs a secret of at least \(token.algorithm.digestByteCount) bytes"
      let isUsable = rules.algorithms.contains { $0.keyKind == .secret && bytes.count >= $0.digestByteCount }
      guard isUsable || rules.keys.count > 1 else { throw HostError("tide.jwt.verify: \(message)") }
      return .failure(TokenProblem(.unknownKey, message))
    }
    do throws(HostError) {
      return .success(try made(key.material))
    } catch {
      guard rules.keys.count > 1 else { throw error }
      return .failure(TokenProblem(.unknownKey, "the token's key cannot be used"))
    }
  }

  /// The key of a material, made once.
  private func made(_ material: KeyMaterial) throws(HostError) -> any SignatureKey {
    if let known = signatureKeys[material] { return known }
    switch services.signatureKey(material) {
    case .failure(let problem): throw HostError("tide.jwt.verify: a key cannot be used: \(problem.message)")
    case .success(let key):
      if signatureKeys.count >= Self.signatureKeysMax { signatureKeys.removeAll() }
      signatureKeys[material] = key
      return key
    }
  }
}

extension SignatureKey {
  fileprivate func verifiesAll(_ token: JSONWebToken) -> Bool {
    token.signature.withUnsafeBytes { verifies($0, of: token.message, by: token.algorithm) }
  }
}

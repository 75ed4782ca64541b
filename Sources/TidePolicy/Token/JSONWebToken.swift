import TideCore

/// A signed token in its compact form (RFC 7515 section 7.1), split and its header read. Nothing in it is to be believed yet.
struct JSONWebToken {
  static let byteCountMax = 16 << 10
  private static let headerByteCountMax = 4 << 10

  let algorithm: SignatureAlgorithm
  /// The key that the header names.
  let keyID: String?
  /// What was signed: the first two parts and the dot between them.
  let message: UnsafeRawBufferPointer
  let signature: [UInt8]
  private let payload: UnsafeRawBufferPointer

  /// - Parameters:
  ///   - text: must outlive the token.
  ///   - algorithms: those that the policy allows.
  init(_ text: UnsafeRawBufferPointer, algorithms: [SignatureAlgorithm]) throws(TokenProblem) {
    guard text.count <= Self.byteCountMax else { throw TokenProblem(.malformed, "the token is longer than 16 KiB") }
    let dots = text.indices.filter { text[$0] == UInt8(ascii: ".") }
    guard dots.count == 2 else { throw TokenProblem(.malformed, "a signed token has three parts") }
    message = UnsafeRawBufferPointer(rebasing: text[..<dots[1]])
    payload = UnsafeRawBufferPointer(rebasing: text[dots[0] + 1..<dots[1]])
    guard dots[0] <= Self.headerByteCountMax else { throw TokenProblem(.malformed, "the token's header is too long") }
    let header = try Self.object(UnsafeRawBufferPointer(rebasing: text[..<dots[0]]), "header")
    guard let name = header["alg"]?.text else {
      throw TokenProblem(.malformed, "the token's header names no algorithm")
    }
    guard let algorithm = SignatureAlgorithm(rawValue: name), algorithms.contains(algorithm) else {
      throw TokenProblem(.badAlgorithm, "the token's algorithm is not one that the policy allows")
    }
    self.algorithm = algorithm
    // Extensions that must be understood (section 4.1.11): there is none that is.
    guard header["crit"] == nil, header["b64"] == nil else {
      throw TokenProblem(.malformed, "the token uses an extension that is not understood")
    }
    if let value = header["kid"] {
      guard let text = value.text else { throw TokenProblem(.malformed, "the token's kid is not a string") }
      keyID = text
    } else {
      keyID = nil
    }
    guard
      let signature = Base64.decode(UnsafeRawBufferPointer(rebasing: text[(dots[1] + 1)...]), .url), !signature.isEmpty
    else { throw TokenProblem(.malformed, "the token's signature is not base64url") }
    self.signature = signature
  }

  /// What the token claims; to be read once its signature is known to be good.
  func claims() throws(TokenProblem) -> PolicyValue { try Self.object(payload, "payload") }

  private static func object(_ part: UnsafeRawBufferPointer, _ name: String) throws(TokenProblem) -> PolicyValue {
    guard let bytes = Base64.decode(part, .url) else {
      throw TokenProblem(.malformed, "the token's \(name) is not base64url")
    }
    let value: Result<PolicyValue, TokenProblem> = bytes.withUnsafeBytes { bytes in
      do throws(HostError) {
        // Two members of one name mean one thing here and another elsewhere.
        var parser = JSONTextParser(bytes, refusesDuplicateKeys: true)
        return .success(try parser.document())
      } catch {
        return .failure(TokenProblem(.malformed, "the token's \(name) is not JSON: \(error.message)"))
      }
    }
    guard case .map = try value.get() else { throw TokenProblem(.malformed, "the token's \(name) is not an object") }
    return try value.get()
  }
}

/// A signature algorithm of JSON Web Signatures (RFC 7518, RFC 8037). There is no `none`.
public enum SignatureAlgorithm: String, Sendable, Hashable, CaseIterable {
  case hs256 = "HS256"
  case hs384 = "HS384"
  case hs512 = "HS512"
  case rs256 = "RS256"
  case rs384 = "RS384"
  case rs512 = "RS512"
  case ps256 = "PS256"
  case ps384 = "PS384"
  case ps512 = "PS512"
  case es256 = "ES256"
  case es384 = "ES384"
  case edDSA = "EdDSA"

  /// The only kind of key that it works with: an RSA key is never taken for a secret.
  public var keyKind: SignatureKeyKind {
    switch self {
    case .hs256, .hs384, .hs512: .secret
    case .rs256, .rs384, .rs512, .ps256, .ps384, .ps512: .rsa
    case .es256: .p256
    case .es384: .p384
    case .edDSA: .ed25519
    }
  }

  /// Bytes of the digest.
  public var digestByteCount: Int {
    switch self {
    case .hs256, .rs256, .ps256, .es256, .edDSA: 32
    case .hs384, .rs384, .ps384, .es384: 48
    case .hs512, .rs512, .ps512: 64
    }
  }
}

public enum SignatureKeyKind: String, Sendable, Hashable {
  case secret, rsa, p256, p384, ed25519
}

/// What a key is made of. Numbers are big-endian.
public enum KeyMaterial: Sendable, Hashable, CustomStringConvertible {
  case secret([UInt8])
  case rsa(modulus: [UInt8], exponent: [UInt8])
  case p256(x: [UInt8], y: [UInt8])
  case p384(x: [UInt8], y: [UInt8])
  case ed25519([UInt8])
  /// A public key as PEM writes it: `-----BEGIN PUBLIC KEY-----`.
  case pem(String)

  /// Never the key itself: it may be a secret.
  public var description: String { "<key>" }
}

/// A key that checks signatures. Made by the module that owns the cryptography, used on one thread at a time.
public protocol SignatureKey: AnyObject {
  var kind: SignatureKeyKind { get }
  /// False for a signature that is not the key's, and for an algorithm of another kind of key.
  func verifies(
    _ signature: UnsafeRawBufferPointer, of message: UnsafeRawBufferPointer, by algorithm: SignatureAlgorithm
  ) -> Bool
}

/// Why something is no key.
public struct KeyProblem: Error, Sendable, Equatable {
  public var message: String
  public init(_ message: String) { self.message = message }
}

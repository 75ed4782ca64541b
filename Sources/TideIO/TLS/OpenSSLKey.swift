import COpenSSL
import TideCore

/// A public key, or a secret, that checks signatures by libcrypto. Here because OpenSSL enters through this module.
public final class OpenSSLKey: SignatureKey {
  /// Below, somebody with means can factor it; above, one check takes milliseconds.
  private static let rsaBits = 2_048...8_192
  private static let pemByteCountMax = 16 << 10

  public let kind: SignatureKeyKind
  /// Nil for a secret.
  private let key: OpaquePointer?
  private let secret: [UInt8]

  private init(_ kind: SignatureKeyKind, key: OpaquePointer?, secret: [UInt8] = []) {
    self.kind = kind
    self.key = key
    self.secret = secret
  }

  deinit { EVP_PKEY_free(key) }

  // MARK: Making

  /// - Throws: why the material is no key that may be used: malformed, too small, or of a kind that no algorithm takes.
  public static func make(_ material: KeyMaterial) throws(KeyProblem) -> OpenSSLKey {
    // What fails here must not be found by a TLS session that asks libcrypto what went wrong.
    defer { ERR_clear_error() }
    switch material {
    case .secret(let bytes): return OpenSSLKey(.secret, key: nil, secret: bytes)
    case .rsa(let modulus, let exponent):
      guard modulus.count <= 2_048, (1...8).contains(exponent.count) else {
        throw KeyProblem("the modulus or the exponent of an RSA key is too long")
      }
      return try read(PublicKeyDER.rsa(modulus: modulus, exponent: exponent))
    case .p256(let x, let y):
      guard x.count == 32, y.count == 32 else { throw KeyProblem("the coordinates of P-256 have 32 bytes") }
      return try read(PublicKeyDER.p256(x: x, y: y))
    case .p384(let x, let y):
      guard x.count == 48, y.count == 48 else { throw KeyProblem("the coordinates of P-384 have 48 bytes") }
      return try read(PublicKeyDER.p384(x: x, y: y))
    case .ed25519(let bytes):
      guard bytes.count == 32 else { throw KeyProblem("a key of Ed25519 has 32 bytes") }
      return try read(PublicKeyDER.ed25519(bytes))
    case .pem(let text):
      guard text.utf8.count <= pemByteCountMax, text.hasPrefix("-----BEGIN PUBLIC KEY-----") else {
        throw KeyProblem("a key in PEM begins with -----BEGIN PUBLIC KEY-----")
      }
      var text = text
      return try checked(
        text.withUTF8 { bytes in
          guard let memory = BIO_new_mem_buf(bytes.baseAddress, Int32(clamping: bytes.count)) else { return nil }
          defer { BIO_free(memory) }
          return PEM_read_bio_PUBKEY(memory, nil, copenssl_refuse_passphrase, nil)
        })
    }
  }

  private static func read(_ der: [UInt8]) throws(KeyProblem) -> OpenSSLKey {
    try checked(
      der.withUnsafeBufferPointer { bytes in
        var place = bytes.baseAddress
        return d2i_PUBKEY(nil, &place, bytes.count)
      })
  }

  private static func checked(_ key: OpaquePointer?) throws(KeyProblem) -> OpenSSLKey {
    guard let key else { throw KeyProblem("malformed") }
    let made: OpenSSLKey
    switch EVP_PKEY_get_base_id(key) {
    case EVP_PKEY_RSA: made = OpenSSLKey(.rsa, key: key)
    case EVP_PKEY_ED25519: return OpenSSLKey(.ed25519, key: key)
    case EVP_PKEY_EC:
      guard let kind = curveKind(key) else {
        EVP_PKEY_free(key)
        throw KeyProblem("a curve other than P-256 and P-384")
      }
      made = OpenSSLKey(kind, key: key)
    default:
      EVP_PKEY_free(key)
      throw KeyProblem("neither RSA nor P-256, P-384 or Ed25519")
    }
    let bits = Int(EVP_PKEY_get_bits(key))
    if made.kind == .rsa, !rsaBits.contains(bits) {
      throw KeyProblem("an RSA key of \(bits) bits; it must have from \(rsaBits.lowerBound) to \(rsaBits.upperBound)")
    }
    if made.kind == .rsa, !hasSoundExponent(key) {
      throw KeyProblem("the exponent of an RSA key must be odd, above 1 and of at most 64 bits")
    }
    return made
  }

  /// With an exponent of 1, every message is its own signature.
  private static func hasSoundExponent(_ key: OpaquePointer) -> Bool {
    var exponent: OpaquePointer?
    guard EVP_PKEY_get_bn_param(key, "e", &exponent) == 1 else { return false }
    defer { BN_free(exponent) }
    return BN_is_odd(exponent) == 1 && (2...64).contains(BN_num_bits(exponent))
  }

  private static func curveKind(_ key: OpaquePointer) -> SignatureKeyKind? {
    var name = [CChar](repeating: 0, count: 32)
    guard EVP_PKEY_get_group_name(key, &name, name.count, nil) == 1 else { return nil }
    return switch String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) {
    case "prime256v1": .p256
    case "secp384r1": .p384
    default: nil
    }
  }

  // MARK: Checking

  public func verifies(
    _ signature: UnsafeRawBufferPointer, of message: UnsafeRawBufferPointer, by algorithm: SignatureAlgorithm
  ) -> Bool {
    guard algorithm.keyKind == kind else { return false }
    guard let key else {
      let digest = secret.withUnsafeBytes { key in
        Digest.hmac(algorithm.digest, byteCount: algorithm.digestByteCount, key: key, message)
      }
      return digest.withUnsafeBytes { Digest.isEqual($0, signature) }
    }
    defer { ERR_clear_error() }
    var encoded: [UInt8]?
    if kind == .p256 || kind == .p384 {
      guard let signature = Self.sequence(signature, byteCount: algorithm.digestByteCount) else { return false }
      encoded = signature
    }
    guard let context = EVP_MD_CTX_new() else { return false }
    defer { EVP_MD_CTX_free(context) }
    var settings: OpaquePointer?
    // Ed25519 digests by itself.
    guard EVP_DigestVerifyInit(context, &settings, kind == .ed25519 ? nil : algorithm.digest, nil, key) == 1 else {
      return false
    }
    if algorithm == .ps256 || algorithm == .ps384 || algorithm == .ps512 {
      guard EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING) == 1,
        EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, RSA_PSS_SALTLEN_DIGEST) == 1
      else { return false }
    }
    func verify(_ signature: UnsafeRawBufferPointer) -> Bool {
      EVP_DigestVerify(
        context, signature.baseAddress?.assumingMemoryBound(to: UInt8.self), signature.count,
        message.baseAddress?.assumingMemoryBound(to: UInt8.self), message.count) == 1
    }
    return encoded.map { $0.withUnsafeBytes(verify) } ?? verify(signature)
  }

  /// A web token's two numbers, side by side, as the sequence of two numbers that libcrypto reads (RFC 7518 section 3.4).
  private static func sequence(_ signature: UnsafeRawBufferPointer, byteCount: Int) -> [UInt8]? {
    guard signature.count == 2 * byteCount, let pair = ECDSA_SIG_new() else { return nil }
    defer { ECDSA_SIG_free(pair) }
    let bytes = signature.bindMemory(to: UInt8.self)
    guard let r = BN_bin2bn(bytes.baseAddress, Int32(byteCount), nil) else { return nil }
    guard let s = BN_bin2bn(bytes.baseAddress.map { $0 + byteCount }, Int32(byteCount), nil) else {
      BN_free(r)
      return nil
    }
    // Takes both over.
    guard ECDSA_SIG_set0(pair, r, s) == 1 else { return nil }
    let count = Int(i2d_ECDSA_SIG(pair, nil))
    guard count > 0 else { return nil }
    return [UInt8](unsafeUninitializedCapacity: count) { out, filled in
      var place = out.baseAddress
      filled = Int(i2d_ECDSA_SIG(pair, &place))
    }
  }
}

extension SignatureAlgorithm {
  fileprivate var digest: OpaquePointer? {
    switch digestByteCount {
    case 48: EVP_sha384()
    case 64: EVP_sha512()
    default: EVP_sha256()
    }
  }
}

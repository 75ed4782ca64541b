import TideCore

/// Writes a public key as X.509 does (SubjectPublicKeyInfo, RFC 5280 section 4.1), which is what libcrypto reads and checks.
enum PublicKeyDER {
  private static let rsaEncryption: [UInt8] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01]
  private static let ecPublicKey: [UInt8] = [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01]
  private static let prime256v1: [UInt8] = [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07]
  private static let secp384r1: [UInt8] = [0x2B, 0x81, 0x04, 0x00, 0x22]
  private static let ed25519: [UInt8] = [0x2B, 0x65, 0x70]

  static func rsa(modulus: [UInt8], exponent: [UInt8]) -> [UInt8] {
    info(
      algorithm: identifier(rsaEncryption) + element(0x05, []),
      key: element(0x30, integer(modulus) + integer(exponent)))
  }

  static func p256(x: [UInt8], y: [UInt8]) -> [UInt8] {
    info(algorithm: identifier(ecPublicKey) + identifier(prime256v1), key: [0x04] + x + y)
  }

  static func p384(x: [UInt8], y: [UInt8]) -> [UInt8] {
    info(algorithm: identifier(ecPublicKey) + identifier(secp384r1), key: [0x04] + x + y)
  }

  static func ed25519(_ key: [UInt8]) -> [UInt8] { info(algorithm: identifier(ed25519), key: key) }

  private static func info(algorithm: [UInt8], key: [UInt8]) -> [UInt8] {
    // The key is a string of bits, none of them unused.
    element(0x30, element(0x30, algorithm) + element(0x03, [0] + key))
  }

  private static func identifier(_ bytes: [UInt8]) -> [UInt8] { element(0x06, bytes) }

  /// An unsigned number: without leading zeros, but for one that keeps it positive.
  private static func integer(_ bytes: [UInt8]) -> [UInt8] {
    let digits = bytes.drop { $0 == 0 }
    return element(0x02, (digits.first ?? 0x80) >= 0x80 ? [0] + digits : Array(digits))
  }

  private static func element(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
    var length: [UInt8] = []
    if content.count < 0x80 {
      length = [UInt8(content.count)]
    } else {
      var rest = content.count
      while rest > 0 {
        length.insert(UInt8(rest & 0xFF), at: 0)
        rest >>= 8
      }
      length.insert(0x80 | UInt8(length.count), at: 0)
    }
    return [tag] + length + content
  }
}

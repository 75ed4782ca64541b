import COpenSSL
import Glibc

/// SHA-256 and what is made of it, by libcrypto. Here because OpenSSL enters through this module.
public enum Digest {
  public static let byteCount = 32

  public static func sha256(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: byteCount) { digest, count in
      _ = SHA256(bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count, digest.baseAddress)
      count = byteCount
    }
  }

  public static func sha256(_ bytes: [UInt8]) -> [UInt8] { bytes.withUnsafeBytes { sha256($0) } }

  /// HMAC (RFC 2104) with SHA-256. The key may have any length.
  public static func hmacSHA256(key: UnsafeRawBufferPointer, _ bytes: UnsafeRawBufferPointer) -> [UInt8] {
    hmac(EVP_sha256(), byteCount: byteCount, key: key, bytes)
  }

  static func hmac(
    _ digest: OpaquePointer?, byteCount: Int, key: UnsafeRawBufferPointer, _ bytes: UnsafeRawBufferPointer
  ) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: byteCount) { result, count in
      var none: UInt8 = 0
      withUnsafePointer(to: &none) { empty in
        // libcrypto takes a null key for "the key of last time".
        _ = HMAC(
          digest, key.baseAddress ?? UnsafeRawPointer(empty), Int32(clamping: key.count),
          bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count, result.baseAddress, nil)
      }
      count = byteCount
    }
  }

  public static func hmacSHA256(key: [UInt8], _ bytes: [UInt8]) -> [UInt8] {
    key.withUnsafeBytes { key in bytes.withUnsafeBytes { hmacSHA256(key: key, $0) } }
  }

  /// Compares in a time that depends on the lengths only.
  public static func isEqual(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
    guard a.count == b.count else { return false }
    guard let first = a.baseAddress, let second = b.baseAddress else { return true }
    return CRYPTO_memcmp(first, second, a.count) == 0
  }

  public static func isEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    a.withUnsafeBytes { a in b.withUnsafeBytes { isEqual(a, $0) } }
  }
}

/// Bytes that nobody can guess. Stops the process when the system has none, since all that asks for them would be unsafe.
public func randomBytes(_ count: Int) -> [UInt8] {
  guard count > 0 else { return [] }
  return [UInt8](unsafeUninitializedCapacity: count) { bytes, filled in
    let result = RAND_bytes(bytes.baseAddress, Int32(clamping: count))
    precondition(result == 1, "the system has no random bytes")
    filled = count
  }
}

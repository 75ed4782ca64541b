/// Keys that seal TLS session tickets. Made once and given to every context of a listener, so that any worker resumes what
/// another began.
public struct TLSTicketKeys: Sendable {
  /// Name, HMAC key and AES key, as OpenSSL wants them.
  static let byteCount = 80
  let bytes: [UInt8]

  /// Fresh random keys.
  public init() { bytes = randomBytes(Self.byteCount) }
}

/// What one call of OpenSSL came to. A finished handshake is `bytes`.
enum TLSOutcome {
  case bytes(Int)
  case wantRead
  case wantWrite
  /// The peer said close_notify.
  case endOfStream
  /// The peer ended the connection without it.
  case truncated
  /// With `errno`, or 0 when OpenSSL's error queue says why.
  case failed(Int32)
}

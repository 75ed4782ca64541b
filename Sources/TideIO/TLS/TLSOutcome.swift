/// What one call of OpenSSL came to. A finished handshake is `bytes`.
enum TLSOutcome {
  case bytes(Int)
  case wantRead
  /// There is no room for more records: the same call goes on once they are taken.
  case wantRoom
  /// The peer said close_notify.
  case endOfStream
  /// The peer ended the connection without it.
  case truncated
  /// With `errno`, or 0 when OpenSSL's error queue says why.
  case failed(Int32)
}

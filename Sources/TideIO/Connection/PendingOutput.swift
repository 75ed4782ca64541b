import TideCore

/// Output that a socket, or a TLS session, did not take, kept behind a reference so that a connection without any is small.
final class PendingOutput {
  /// As it leaves: records, with TLS.
  var queue = ByteQueue()
  /// Behind it, what a TLS session would not make records of yet.
  var unsealed = ByteQueue()
}

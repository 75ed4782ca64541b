import TideCore

/// Output that a socket did not take, kept behind a reference so that a connection without any is small.
final class PendingOutput {
  var queue = ByteQueue()
}

import TideCore

/// A request whose head is complete, kept to the end of the batch of bytes it came in.
struct PendingRequest {
  var stream: HTTPStream
  var head: RequestHead
}

/// What one worker has done since it started. Read on its own thread.
public struct WorkerCounters: Sendable {
  public var turns: UInt64 = 0
  public var events: UInt64 = 0
  public var flushes: UInt64 = 0
  /// Without what TLS adds.
  public var bytesRead: UInt64 = 0
  /// As they left, in records where TLS is spoken.
  public var bytesWritten: UInt64 = 0
  /// Calls of send, and sends of a batch.
  public var writes: UInt64 = 0
  /// System calls that took the sends of many connections.
  public var batches: UInt64 = 0
  /// Writes that the socket took only in part.
  public var shortWrites: UInt64 = 0
  /// Times a connection stopped reading because its owner said so.
  public var readPauses: UInt64 = 0
  public var accepted: UInt64 = 0
  /// Connections accepted and closed at once for want of descriptors.
  public var acceptsRefused: UInt64 = 0
  public var failures: UInt64 = 0

  public init() {}
}

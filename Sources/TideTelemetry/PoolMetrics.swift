/// What is counted for the connections of one worker to one endpoint. Kept by the pool.
public final class PoolMetrics: Sendable {
  public let cluster: String
  public let endpoint: String

  let opened = Counter()
  let failed = Counter()
  let reused = Counter()
  let retired = Counter()
  let open = Counter()
  let inUse = Counter()

  init(cluster: String, endpoint: String) {
    self.cluster = cluster
    self.endpoint = endpoint
  }

  /// A connection is there.
  public func connectionOpened() {
    opened.add()
    open.add()
  }

  public func connectionClosed() { open.subtract() }

  /// A connection could not be made.
  public func connectionFailed() { failed.add() }

  /// A connection takes no more exchanges, and closes once its last one is done.
  public func connectionRetired() { retired.add() }

  /// An attempt got a stream; `isReused` when the connection had carried one before.
  public func attemptStarted(isReused: Bool) {
    inUse.add()
    if isReused { reused.add() }
  }

  public func attemptEnded() { inUse.subtract() }
}

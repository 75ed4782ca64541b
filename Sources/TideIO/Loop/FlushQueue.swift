import CPrefetch

/// Connections with something to send, each once, in the order in which they got it. Not owned: the poll set holds them until they are
/// buried, and they are purged before.
final class FlushQueue {
  private var targets: ContiguousArray<Unmanaged<PollTarget>> = []

  var isEmpty: Bool { targets.isEmpty }
  var count: Int { targets.count }

  @inline(__always)
  func append(_ target: PollTarget) { targets.append(.passUnretained(target)) }

  /// Flushes each. A flush may bring others, which then leave as well, but not without end.
  ///
  /// - Parameter ring: where the connections gather what they send.
  /// - Returns: how many were flushed.
  func flush(_ ring: SendRing?) -> UInt64 {
    guard !targets.isEmpty else { return 0 }
    let bound = targets.count * 4 + 1024
    var position = 0
    while position < targets.count, position < bound {
      fetchAhead(of: position)
      targets[position]._withUnsafeGuaranteedRef { $0.flushTurn() }
      position += 1
      // What comes of the sends may bring others, too.
      if position == targets.count { ring?.submit() }
    }
    ring?.submit()
    if position == targets.count {
      targets.removeAll(keepingCapacity: true)
    } else {
      targets.removeFirst(position)
    }
    return UInt64(position)
  }

  /// How many flushes before its own a target is fetched, and what it leads to: in three steps, the last one flush before.
  private static let targetLead = 5
  private static let stepLead = 3
  private static let targetByteCount = 192

  /// Fetches the targets that come soon: of a crowd, each was last touched hundreds of others ago.
  @inline(__always)
  private func fetchAhead(of position: Int) {
    if position &+ Self.targetLead < targets.count {
      cprefetch(targets[position &+ Self.targetLead].toOpaque(), Self.targetByteCount)
    }
    for step in 0..<Self.stepLead where position &+ Self.stepLead &- step < targets.count {
      targets[position &+ Self.stepLead &- step]._withUnsafeGuaranteedRef { $0.prefetchFlush(step) }
    }
  }

  func purge() {
    if !targets.isEmpty { targets.removeAll { $0._withUnsafeGuaranteedRef { $0.isRetired } } }
  }
}

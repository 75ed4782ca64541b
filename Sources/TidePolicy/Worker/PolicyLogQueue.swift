import TideCore

/// Calls of `on_log` that are yet to be made on one worker: exchanges that have ended leave them here, and the worker makes them in turns
/// that follow, so that no client waits for a log.
///
/// Bounded: what does not fit is dropped, and its binding's figures count it. Owned by the worker, shared by its generations.
public final class PolicyLogQueue {
  public static let callsMax = 4_096
  /// Bytes of requests that are kept for the calls.
  public static let byteCountMax = 64 << 20

  private struct Call {
    let run: PolicyRun
    let binding: Int
    /// Of its exchange; counted with the first call of each.
    let byteCount: Int
  }

  private var calls: ContiguousArray<Call> = []
  private var first = 0
  private var byteCount = 0
  /// Told when there is something to do: a call has come to an empty queue, or one that waited has ended.
  public var onWork: (() -> Void)?

  public init() {}

  public var count: Int { calls.count - first }

  /// - Returns: false when there is no room.
  func add(_ run: PolicyRun, binding: Int, byteCount: Int) -> Bool {
    guard count < Self.callsMax, self.byteCount + byteCount <= Self.byteCountMax || count == 0 else { return false }
    self.byteCount += byteCount
    calls.append(Call(run: run, binding: binding, byteCount: byteCount))
    if count == 1 { onWork?() }
    return true
  }

  func waitEnded() { onWork?() }

  /// Makes the oldest call.
  ///
  /// - Returns: false when there is none.
  @discardableResult
  public func runNext() -> Bool {
    guard count > 0 else { return false }
    let call = calls[first]
    first += 1
    byteCount -= call.byteCount
    // In steps, so that taking one stays cheap and the exchanges that are done with are let go.
    if first == calls.count || first >= 64 {
      calls.removeFirst(first)
      first = 0
    }
    call.run.makeLog(call.binding)
    return true
  }

  /// Makes all calls that are there, and those that come meanwhile.
  public func runAll() {
    while runNext() {}
  }
}

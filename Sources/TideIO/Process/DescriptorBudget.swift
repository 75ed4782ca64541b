import CLinux
import Glibc
import TideCore

/// How many descriptors the process needs and whether the system grants them (robustness.md section 4). Pure but for `apply`.
public struct DescriptorBudget: Sendable, Equatable {
  public static let perWorker = 64
  public static let reserve = 256

  /// Downstream connections that fit.
  public var connections: Int
  /// Connections to endpoints that fit.
  public var upstreamConnections: Int
  /// What RLIMIT_NOFILE is to be.
  public var need: Int
  /// What was lowered, in words for the start-up message; empty when nothing was.
  public var note: String

  /// - Parameters:
  ///   - connections: `limits.connections`.
  ///   - isExplicit: whether the user wrote that figure. It is then refused when it does not fit; a default is lowered.
  ///   - upstreamConnections: the sum of the clusters' `max_connections`.
  ///   - hardLimit: RLIMIT_NOFILE's hard limit.
  public static func plan(
    connections: Int, isExplicit: Bool, upstreamConnections: Int, workers: Int, hardLimit: Int
  ) throws(Diagnostic) -> DescriptorBudget {
    let fixed = sum(sum(max(0, workers).multipliedClamping(by: perWorker), reserve), max(0, upstreamConnections))
    let need = sum(fixed, max(0, connections))
    if need <= hardLimit {
      return DescriptorBudget(
        connections: max(0, connections), upstreamConnections: upstreamConnections, need: need, note: "")
    }
    let arithmetic = """
      \(connections) connections + \(upstreamConnections) to endpoints + \(workers) workers x \(perWorker) + \(reserve) \
      = \(need) descriptors, but the limit of open files is \(hardLimit)
      """
    let fits = hardLimit - min(fixed, hardLimit)
    guard !isExplicit, fits > 0 else {
      throw Diagnostic(
        file: "", message: "`limits.connections` does not fit: \(arithmetic)",
        hint: fits > 0
          ? "at most \(fits), or raise the limit with `ulimit -n`"
          : "lower the clusters' `max_connections`, or raise the limit with `ulimit -n`")
    }
    return DescriptorBudget(
      connections: fits, upstreamConnections: upstreamConnections, need: hardLimit,
      note: "connections lowered to \(fits): \(arithmetic)")
  }

  /// RLIMIT_NOFILE: soft and hard.
  public static func currentLimit() -> (soft: Int, hard: Int) {
    var soft: UInt64 = 0
    var hard: UInt64 = 0
    guard clinux_get_descriptor_limit(&soft, &hard) == 0 else { return (1024, 1024) }
    return (Int(clamping: soft), Int(clamping: hard))
  }

  /// Raises the soft limit to the hard one as far as the system lets it, and returns the soft limit then in force.
  public static func raiseLimit() -> Int {
    let (soft, hard) = currentLimit()
    guard soft < hard else { return soft }
    return clinux_set_descriptor_limit(UInt64(hard), UInt64(hard)) == 0 ? hard : soft
  }

  /// Raises the soft limit to the hard one.
  public func apply() throws(Diagnostic) {
    let (soft, hard) = Self.currentLimit()
    guard soft < hard else { return }
    guard clinux_set_descriptor_limit(UInt64(hard), UInt64(hard)) == 0 || soft >= need else {
      throw Diagnostic(
        file: "", message: "cannot raise the limit of open files to \(hard): \(SocketFailure.text(of: errno))")
    }
  }

  private static func sum(_ a: Int, _ b: Int) -> Int {
    let (result, overflow) = a.addingReportingOverflow(b)
    return overflow ? .max : result
  }
}

extension Int {
  fileprivate func multipliedClamping(by factor: Int) -> Int {
    let (result, overflow) = multipliedReportingOverflow(by: factor)
    return overflow ? .max : result
  }
}

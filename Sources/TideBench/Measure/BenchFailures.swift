/// Why a connection or a request came to nothing, for counts and for the report's words.
struct BenchFailure: Sendable {
  enum Kind: String, Sendable, CaseIterable {
    /// The connection could not be opened: TCP, TLS or the choice of the protocol.
    case connection
    /// An answer with a status other than 200.
    case status
    /// The stream was reset, or its connection broke.
    case reset
    /// The stream ended properly, but without its terminal marker.
    case truncated
    /// No token came for too long.
    case timeout
    /// What came was not HTTP as it should be.
    case `protocol`
    /// The stream carried an error event.
    case error
  }

  var kind: Kind
  var message: String

  init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }
}

/// What went wrong, by kind.
public struct BenchFailures: Sendable, Equatable, Codable {
  /// Connections that could not be opened: TCP, TLS or the choice of the protocol.
  public var connections: UInt64 = 0
  /// Answers with a status other than 200.
  public var statuses: UInt64 = 0
  /// Streams that were reset or whose connection broke.
  public var resets: UInt64 = 0
  /// Streams that ended without their terminal marker.
  public var truncated: UInt64 = 0
  /// Streams that had no token for longer than the limit.
  public var timeouts: UInt64 = 0
  /// Streams whose connection did not speak HTTP as it should.
  public var `protocol`: UInt64 = 0
  /// Streams that carried an error event.
  public var errors: UInt64 = 0

  /// All kinds together.
  public var total: UInt64 { connections + statuses + resets + truncated + timeouts + `protocol` + errors }

  /// Counts with their names as in the JSON, for tables.
  var named: [(name: String, count: UInt64)] {
    [
      ("connections", connections), ("statuses", statuses), ("resets", resets), ("truncated", truncated),
      ("timeouts", timeouts), ("protocol", `protocol`), ("errors", errors),
    ]
  }

  mutating func count(_ kind: BenchFailure.Kind) {
    switch kind {
    case .connection: connections += 1
    case .status: statuses += 1
    case .reset: resets += 1
    case .truncated: truncated += 1
    case .timeout: timeouts += 1
    case .protocol: `protocol` += 1
    case .error: errors += 1
    }
  }

  static func += (sum: inout BenchFailures, one: BenchFailures) {
    sum.connections += one.connections
    sum.statuses += one.statuses
    sum.resets += one.resets
    sum.truncated += one.truncated
    sum.timeouts += one.timeouts
    sum.protocol += one.protocol
    sum.errors += one.errors
  }
}

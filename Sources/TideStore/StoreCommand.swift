import TideCore

/// One call of a script: on one key, with whole numbers as its reply.
public struct StoreCommand: Sendable {
  /// What becomes of a command that finds no connection, or whose connection ends before its reply.
  public enum Delivery: Sendable {
    /// It fails.
    case once
    /// It is kept until it can be sent. Of one that was sent already nobody knows whether it was run: `repeatable` says whether to run it
    /// perhaps twice, rather than perhaps never.
    case assured(repeatable: Bool)
  }

  /// What a successful command does to the places that this process holds.
  public enum Effect: Sendable {
    case none
    /// When the first number of its reply is 1.
    case holds(StorePlace)
  }

  public typealias Completion = @Sendable (Result<[Int], StoreFailure>) -> Void

  public var script: StoreScript
  public var key: String
  public var arguments: [String]
  public var delivery: Delivery
  public var effect: Effect
  /// Told once, on any thread; perhaps before `send` returns.
  public var completion: Completion?

  public init(
    _ script: StoreScript, key: String, arguments: [String], delivery: Delivery = .once, effect: Effect = .none,
    completion: Completion? = nil
  ) {
    self.script = script
    self.key = key
    self.arguments = arguments
    self.delivery = delivery
    self.effect = effect
    self.completion = completion
  }
}

/// A place among so many: who holds it renews it, and one that nobody renews is free again.
public struct StorePlace: Sendable, Hashable {
  public var key: String
  /// Tells it from all others of its key, whichever gateway holds them.
  public var member: String

  public init(key: String, member: String) {
    self.key = key
    self.member = member
  }
}

/// Why a command brought no reply.
public enum StoreFailure: Error, Sendable, Equatable {
  /// There is no connection, or it ended first, or no reply came in time.
  case unavailable(String)
  /// The server answered that it will not.
  case refused(String)

  public var message: String {
    switch self {
    case .unavailable(let reason): "the store is not available: \(reason)"
    case .refused(let reason): "the store refused the command: \(reason)"
    }
  }
}

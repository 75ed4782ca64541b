/// How long things may take, in milliseconds, and how much may wait.
public struct StoreSettings: Sendable {
  /// For a connection with all that makes it usable: the system's connect, the password, the scripts.
  public var connectMs = 1_000
  /// From a command's arrival to its reply. One that takes longer ends the connection: replies come in order, so none behind it is nearer.
  public var commandMs = 1_000
  /// Before the first attempt to connect again; each further one waits twice as long.
  public var backoffMs = 100
  public var backoffMsMax = 5_000
  /// A place that its holder does not renew is given back after so long.
  public var leaseMs = 15_000
  /// What is left to be sent when the store is closed gets so long.
  public var farewellMs = 1_000
  /// Commands under way; further ones fail.
  public var commandsMax = 65_536
  /// Commands that must be delivered and wait for a connection; the oldest makes room.
  public var assuredMax = 65_536

  public init() {}

  var renewalMs: Int { max(1, leaseMs / 3) }
}

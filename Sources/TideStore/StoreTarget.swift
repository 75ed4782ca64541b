import TideCore

/// The Redis server that a store lives on, and who the gateway is there.
public struct StoreTarget: Sendable, Equatable {
  /// A name, or an address without brackets.
  public var host: String
  public var port: Int
  /// Empty for the server's default user.
  public var user: String
  /// Empty when the server asks for none.
  public var password: Secret
  public var database: Int

  public init(host: String, port: Int = 6379, user: String = "", password: Secret = Secret(""), database: Int = 0) {
    self.host = host
    self.port = port
    self.user = user
    self.password = password
    self.database = database
  }

  /// As logs name it: without who the gateway is there.
  public var name: String { "redis://\(host.contains(":") ? "[\(host)]" : host):\(port)/\(database)" }
}

import TideCore

/// Who makes the calls of `tide.http`: the gateway over its worker's pools, or a test's table of replies.
///
/// A base class, so that this module opens no connection. Used on the worker's thread alone.
open class PolicyFetcher {
  public struct Token: Hashable, Sendable {
    public var number: UInt64
    public init(number: UInt64) { self.number = number }
  }

  public init() {}

  /// Makes a call. `completion` gets its end exactly once, never inside this call and never after `cancel`.
  open func fetch(
    _ request: FetchRequest, completion: @escaping (Result<FetchResponse, FetchFailure>) -> Void
  ) -> Token { Token(number: 0) }

  /// Gives a call up: its stream is reset. One that has ended is ignored.
  open func cancel(_ token: Token) {}
}

/// One call of `tide.http`, checked against what the policy may do; the address is for the fetcher to check.
public struct FetchRequest: Sendable {
  public enum Target: Sendable, Equatable {
    /// A cluster of the exchange's generation, with its credentials and its trust.
    case cluster(String, path: String)
    case url(FetchURL, FetchReach)
  }

  public var target: Target
  public var method: String
  /// Names in lower case; no framing and no hop-by-hop fields.
  public var headers: HeaderList
  public var body: [UInt8]
  /// For the whole call, connecting included.
  public var timeoutMs: Int
  /// A longer answer is an error.
  public var bodyBytesMax: Int

  public static let timeoutMsDefault = 5_000
  public static let bodyBytesDefault = 1 << 20
  public static let bodyBytesLimit = 4 << 20
}

/// Which addresses a call may reach, judged when connecting, on what the name resolved to.
public enum FetchReach: String, Sendable, Hashable {
  /// The host stands in the policy's file: public addresses only.
  case publicOnly = "public"
  /// The operator wrote the host: private addresses too, but never link-local ones or a cloud's metadata service.
  case operatorNamed = "operator"
}

public struct FetchResponse: Sendable {
  public var status: Int
  public var headers: HeaderList
  public var body: [UInt8]

  public init(status: Int, headers: HeaderList = HeaderList(), body: [UInt8] = []) {
    self.status = status
    self.headers = headers
    self.body = body
  }
}

/// Why a call brought no response; what Lua gets as `err`.
public struct FetchFailure: Error, Sendable, Equatable {
  public enum Code: String, Sendable {
    case timeout
    case connect
    case resolve
    /// The name leads to an address that this call may not reach, or the host is not listed.
    case forbidden
    /// It closed, or broke the protocol, before the answer was whole.
    case closed
    case tooLarge = "too_large"
    case noCluster = "no_cluster"
    /// Too many calls of this binding are under way.
    case busy
  }

  public var code: Code
  public var message: String

  public init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }
}

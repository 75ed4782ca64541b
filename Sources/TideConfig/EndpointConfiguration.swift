/// One address of a cluster.
public struct EndpointConfiguration: Sendable, Equatable {
  public enum Scheme: String, Sendable { case http, https }

  /// How to speak to it.
  public enum Transport: String, Sendable, CaseIterable {
    /// ALPN over TLS, HTTP/1.1 on cleartext.
    case automatic = "auto"
    case http11 = "http/1.1"
    case h2
    case h2c
  }

  public var scheme: Scheme
  /// A name or a literal address, IPv6 without brackets.
  public var host: String
  public var port: Int
  /// Put before each request's path; empty or `/a/b` without a slash at the end.
  public var pathPrefix: String
  public var transport: Transport
  /// Share of the requests relative to the cluster's other endpoints; at least 1.
  public var weight: Int

  public init(
    scheme: Scheme, host: String, port: Int, pathPrefix: String = "", transport: Transport = .automatic, weight: Int = 1
  ) {
    self.scheme = scheme
    self.host = host
    self.port = port
    self.pathPrefix = pathPrefix
    self.transport = transport
    self.weight = weight
  }

  /// `host` or `host:port` when the port is not the scheme's own: the value of `:authority`.
  public var authority: String {
    let name = host.contains(":") ? "[\(host)]" : host
    return port == (scheme == .https ? 443 : 80) ? name : "\(name):\(port)"
  }

  /// As a URL, for messages, logs and metrics. It cannot hold a secret: user information is refused when it is read.
  public var url: String { "\(scheme.rawValue)://\(authority)\(pathPrefix)" }
}

import TideConfig
import TideCore
import TideHTTP
import TideIO

/// A cluster of one generation: its configuration and the keys of its endpoints' pools.
struct Cluster: Sendable {
  let configuration: ClusterConfiguration
  let endpoints: [Endpoint]
  /// Made once a generation: reading root certificates takes milliseconds.
  let tls: TLSClientContext?
}

/// One address of a cluster, as a pool's key: connections are kept over a reload when nothing of this changed.
struct Endpoint: Sendable, Hashable {
  var cluster: String
  var host: String
  var port: Int
  var authority: String
  var isSecure: Bool
  var choice: HTTPVersionChoice
  var pathPrefix: String
  var weight: Int
  /// The name in SNI and in the certificate.
  var serverName: String
  /// What the certificate is judged by, in words: part of the key only.
  var trust: String
  /// Connections all workers together may hold to it.
  var maxConnections: Int
  var connectTimeoutMs: Int
  /// Where its name may lead.
  var reach = AddressReach.everywhere
}

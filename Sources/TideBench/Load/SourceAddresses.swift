import Glibc
import TideIO

/// Which source address each connection is bound to.
///
/// One source address has as many connections to one destination as the system's range of ephemeral ports, 28,000 by default, and
/// finding a free one becomes slow long before that. All of 127.0.0.0/8 is this machine, so that many connections to a loopback
/// address come from several. No port is bound (IP_BIND_ADDRESS_NO_PORT): the kernel chooses when it knows both ends.
struct SourceAddresses {
  /// Connections from one address may take this share of its ports.
  private static let shareOfPorts = 2
  private static let addressLimit = 250

  private let addresses: [SocketAddress]
  private let portCount: Int
  private let canSpread: Bool
  private var position = 0

  /// - Parameters:
  ///   - connections: of the whole client at the same time.
  ///   - portCount: ephemeral ports of one address; as the system says unless a test says otherwise.
  init(for target: SocketAddress, connections: Int, portCount: Int = SourceAddresses.ephemeralPortCount()) {
    self.portCount = portCount
    canSpread = target.isLoopback && !target.isIPv6
    let perAddress = max(1, portCount / Self.shareOfPorts)
    let count = canSpread ? min(Self.addressLimit, (connections + perAddress - 1) / perAddress) : 1
    addresses = count > 1 ? (1...count).compactMap { SocketAddress(host: "127.0.0.\($0)", port: 0) } : []
  }

  /// The next connection's; nil lets the kernel choose.
  mutating func next() -> SocketAddress? {
    guard !addresses.isEmpty else { return nil }
    defer { position = position + 1 == addresses.count ? 0 : position + 1 }
    return addresses[position]
  }

  func isExhausted(_ failure: SocketFailure) -> Bool { failure.code == EADDRNOTAVAIL }

  /// What to do when no port is left.
  var advice: String {
    "one source address has \(portCount) ports for one target"
      + (canSpread
        ? "" : ": give the target a 127.0.0.x address, whose clients can have several, or use fewer connections")
  }

  /// The size of net.ipv4.ip_local_port_range.
  static func ephemeralPortCount() -> Int {
    let text = ProcessFile.read("/proc/sys/net/ipv4/ip_local_port_range") ?? ""
    let bounds = text.split { $0 == "\t" || $0 == " " || $0 == "\n" }.compactMap { Int($0) }
    guard bounds.count == 2, bounds[1] >= bounds[0] else { return 28_232 }
    return bounds[1] - bounds[0] + 1
  }
}

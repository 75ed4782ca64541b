import CLinux
import Glibc

/// An IPv4 or IPv6 address with a port, in 24 plain bytes.
public struct SocketAddress: Sendable, Hashable, BitwiseCopyable {
  /// The address in network order; IPv4 fills the first four bytes of `high`.
  var high: UInt64 = 0
  var low: UInt64 = 0
  private var scope: UInt32 = 0
  public var port: UInt16
  public let isIPv6: Bool

  /// An IP literal (`127.0.0.1`, `::1`, `fe80::1`); nil for anything else. Names are the resolver's.
  public init?(host: String, port: UInt16) {
    self.port = port
    var four = in_addr()
    if inet_pton(AF_INET, host, &four) == 1 {
      isIPv6 = false
      withUnsafeMutableBytes(of: &high) { $0.storeBytes(of: four.s_addr, as: UInt32.self) }
      return
    }
    var six = in6_addr()
    guard inet_pton(AF_INET6, host, &six) == 1 else { return nil }
    isIPv6 = true
    setSix(six)
  }

  /// `127.0.0.1:8080`, `[::1]:443` or `:8080`, which is every IPv4 address of the machine.
  public init?(_ text: String) {
    guard let colon = text.lastIndex(of: ":") else { return nil }
    let digits = text[text.index(after: colon)...]
    guard !digits.isEmpty, digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let port = UInt16(digits) else {
      return nil
    }
    var host = text[..<colon]
    if host.isEmpty {
      self.init(host: "0.0.0.0", port: port)
    } else if host.hasPrefix("["), host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
      guard host.contains(":") else { return nil }
      self.init(host: String(host), port: port)
    } else {
      guard !host.contains(":") else { return nil }
      self.init(host: String(host), port: port)
    }
  }

  /// Nil when the family is neither IPv4 nor IPv6.
  init?(_ address: UnsafePointer<sockaddr>) {
    switch Int32(address.pointee.sa_family) {
    case AF_INET:
      isIPv6 = false
      let (four, networkPort) = address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
        ($0.pointee.sin_addr.s_addr, $0.pointee.sin_port)
      }
      port = UInt16(bigEndian: networkPort)
      withUnsafeMutableBytes(of: &high) { $0.storeBytes(of: four, as: UInt32.self) }
    case AF_INET6:
      isIPv6 = true
      let six = address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { $0.pointee }
      port = UInt16(bigEndian: six.sin6_port)
      scope = six.sin6_scope_id
      setSix(six.sin6_addr)
    default:
      return nil
    }
  }

  private mutating func setSix(_ address: in6_addr) {
    withUnsafeBytes(of: address) { bytes in
      high = bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self)
      low = bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
    }
  }

  var family: Int32 { isIPv6 ? AF_INET6 : AF_INET }

  /// Runs `body` with the address as the kernel wants it.
  func withSockaddr<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
    if isIPv6 {
      var six = sockaddr_in6()
      six.sin6_family = sa_family_t(AF_INET6)
      six.sin6_port = port.bigEndian
      six.sin6_scope_id = scope
      withUnsafeMutableBytes(of: &six.sin6_addr) { bytes in
        bytes.storeBytes(of: high, toByteOffset: 0, as: UInt64.self)
        bytes.storeBytes(of: low, toByteOffset: 8, as: UInt64.self)
      }
      return withUnsafePointer(to: six) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in6>.size)) }
      }
    }
    var four = sockaddr_in()
    four.sin_family = sa_family_t(AF_INET)
    four.sin_port = port.bigEndian
    four.sin_addr.s_addr = withUnsafeBytes(of: high) { $0.load(as: UInt32.self) }
    return withUnsafePointer(to: four) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
  }

  /// The first four bytes of an IPv4 or IPv4-mapped address, as a number; nil for any other.
  var ipv4: UInt32? {
    if !isIPv6 { return UInt32(truncatingIfNeeded: UInt64(bigEndian: high) >> 32) }
    guard high == 0, UInt64(bigEndian: low) >> 32 == 0xffff else { return nil }
    return UInt32(truncatingIfNeeded: UInt64(bigEndian: low))
  }

  /// Reachable from this machine only.
  public var isLoopback: Bool {
    if let ipv4 { return ipv4 >> 24 == 127 }
    return high == 0 && UInt64(bigEndian: low) == 1
  }

  /// Every address of the machine: `0.0.0.0` or `::`.
  public var isPublicWildcard: Bool {
    if let ipv4 { return ipv4 == 0 }
    return high == 0 && low == 0
  }

  /// RFC 1918 and RFC 4193 networks.
  public var isPrivate: Bool {
    if let ipv4 { return ipv4 >> 24 == 10 || ipv4 >> 20 == 0xac1 || ipv4 >> 16 == 0xc0a8 }
    return UInt64(bigEndian: high) >> 57 == 0xfc >> 1
  }

  /// Valid on one link only (169.254.0.0/16, fe80::/10), where cloud metadata services live.
  public var isLinkLocal: Bool {
    if let ipv4 { return ipv4 >> 16 == 0xa9fe }
    return UInt64(bigEndian: high) >> 54 == 0xfe80 >> 6
  }

  /// The address without the port.
  public var host: String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { text in
      guard let base = text.baseAddress else { return "" }
      withUnsafeBytes(of: (high, low)) { bytes in
        _ = inet_ntop(family, bytes.baseAddress, base, socklen_t(INET6_ADDRSTRLEN))
      }
      return String(cString: base)
    }
  }
}

extension SocketAddress: CustomStringConvertible {
  /// `127.0.0.1:8080` or `[::1]:443`.
  public var description: String { isIPv6 ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

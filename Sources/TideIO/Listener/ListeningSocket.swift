import CLinux
import Glibc
import TideCore

/// A bound, listening TCP socket that a `Listener` takes over. Made on any thread, so that an address in use is known before
/// a worker starts.
public struct ListeningSocket: Sendable {
  public let descriptor: Int32
  /// As the kernel bound it: the port is real when 0 was asked for.
  public let address: SocketAddress

  /// What the kernel holds for a client that takes nothing, as SO_SNDBUF counts; it doubles it (robustness.md, section 4).
  public static let sendBytes: Int32 = 128 << 10

  /// Binds and listens with SO_REUSEPORT, so that each worker has a socket of its own on one address. Call
  /// `Listener.probe` first.
  ///
  /// - Parameter sendBytes: of each connection. Nil leaves it to the kernel, which gives those that are read fast up to the third
  ///   of `net.ipv4.tcp_wmem`: for a server whose connections carry hundreds of streams. A bound is a standstill there: a peer that
  ///   does not read for a while acknowledges with 40 ms of delay, and until then no more leaves.
  public init(
    address: SocketAddress, backlog: Int32 = 4096, sendBytes: Int32? = ListeningSocket.sendBytes
  ) throws(Diagnostic) {
    let socket = try Self.bind(address, sharesPort: true)
    // Options of the listener pass to what it accepts: three calls less a connection. Buffers as in robustness.md, section 4.
    _ = clinux_set_option(socket, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    _ = clinux_set_option(socket, Int32(IPPROTO_TCP), TCP_NOTSENT_LOWAT, 16 << 10)
    if let sendBytes { _ = clinux_set_option(socket, SOL_SOCKET, SO_SNDBUF, sendBytes) }
    guard listen(socket, backlog) == 0, let bound = SocketAddress(localOf: socket) else {
      let code = errno
      close(socket)
      throw Self.refusal(address, code)
    }
    descriptor = socket
    self.address = bound
  }

  /// Binds and lets go, without sharing the port: throws when anyone else listens there.
  static func probe(_ address: SocketAddress) throws(Diagnostic) {
    guard address.port != 0 else { return }
    let socket = try bind(address, sharesPort: false)
    // Linux lets two sockets with SO_REUSEADDR bind to one port as long as neither listens.
    let result = listen(socket, 1)
    let code = errno
    close(socket)
    if result != 0 { throw refusal(address, code) }
  }

  private static func bind(_ address: SocketAddress, sharesPort: Bool) throws(Diagnostic) -> Int32 {
    let socket = clinux_tcp_socket(address.family)
    guard socket >= 0 else { throw refusal(address, errno) }
    _ = clinux_set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1)
    if sharesPort { _ = clinux_set_option(socket, SOL_SOCKET, SO_REUSEPORT, 1) }
    if address.isIPv6 { _ = clinux_set_option(socket, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
    guard address.withSockaddr({ Glibc.bind(socket, $0, $1) }) == 0 else {
      let code = errno
      close(socket)
      throw refusal(address, code)
    }
    return socket
  }

  private static func refusal(_ address: SocketAddress, _ code: Int32) -> Diagnostic {
    switch code {
    case EADDRINUSE:
      Diagnostic(
        file: "", message: "address \(address) is already in use; stop the other program or change `listeners`")
    case EACCES:
      Diagnostic(
        file: "", message: "address \(address) may not be used: \(SocketFailure.text(of: code))",
        hint: "ports below 1024 need the capability net_bind_service")
    case EADDRNOTAVAIL:
      Diagnostic(file: "", message: "address \(address) does not belong to this machine")
    default:
      Diagnostic(file: "", message: "cannot listen on \(address): \(SocketFailure.text(of: code))")
    }
  }
}

extension SocketAddress {
  /// The local address of a socket; nil when it has none.
  init?(localOf descriptor: Int32) {
    var storage = sockaddr_storage()
    var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let found = withUnsafeMutablePointer(to: &storage) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address -> SocketAddress? in
        getsockname(descriptor, address, &size) == 0 ? SocketAddress(address) : nil
      }
    }
    guard let found else { return nil }
    self = found
  }
}

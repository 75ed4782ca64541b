import TideCore
import TideIO

/// Where the load goes: the parts of the URL that a connection and a request need.
struct BenchTarget: Sendable {
  var address: SocketAddress
  var authority: String
  var host: String
  var path: String
  var isSecure: Bool

  /// - Throws: what is wrong with the URL.
  init(_ url: String) throws(Diagnostic) {
    let schemes = [("http://", false, UInt16(80)), ("https://", true, UInt16(443))]
    guard let (scheme, isSecure, defaultPort) = schemes.first(where: { url.hasPrefix($0.0) }) else {
      throw Diagnostic(file: "", message: "`\(url)` is no URL", hint: "write http://127.0.0.1:8080 or https://...")
    }
    let rest = url.dropFirst(scheme.utf8.count)
    authority = String(rest.prefix { $0 != "/" })
    let tail = String(rest.dropFirst(authority.count))
    path = tail.isEmpty || tail == "/" ? "/v1/chat/completions" : tail
    self.isSecure = isSecure
    // The port follows the last colon, unless that colon belongs to an IPv6 address in brackets.
    var name = authority
    var port = defaultPort
    if let colon = authority.lastIndex(of: ":"), !authority[colon...].contains("]") {
      guard let number = UInt16(authority[authority.index(after: colon)...]) else {
        throw Diagnostic(file: "", message: "`\(authority)` has no valid port")
      }
      name = String(authority[..<colon])
      port = number
    }
    if name.hasPrefix("["), name.hasSuffix("]") { name = String(name.dropFirst().dropLast()) }
    host = name
    guard let address = SocketAddress(host: name == "localhost" ? "127.0.0.1" : name, port: port) else {
      throw Diagnostic(
        file: "", message: "`\(name)` is no address",
        hint: "give an IP address or localhost; names are not resolved here")
    }
    self.address = address
  }

  /// The source address of connection `index`: one loopback address has 28,000 ports by default, so that more connections
  /// are spread over eight. Nil lets the kernel choose.
  func source(of index: Int, outOf count: Int) -> SocketAddress? {
    guard count > 14_000, address.isLoopback, !address.isIPv6 else { return nil }
    return SocketAddress(host: "127.0.0.\(index % 8 + 1)", port: 0)
  }
}

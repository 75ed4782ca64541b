import TideCore
import TideIO

/// Where the load goes: the parts of the URL that a connection and a request need.
struct BenchTarget: Sendable {
  private static let hint = "write it as http://127.0.0.1:8080 or https://host:port/path"

  var address: SocketAddress
  var authority: String
  var host: String
  var path: String
  var isSecure: Bool

  /// Resolves the host's name, which may take as long as the system's resolver takes.
  ///
  /// - Throws: what is wrong with the URL, or why its host has no address.
  init(_ url: String) throws(Diagnostic) {
    let schemes = [("http://", false, UInt16(80)), ("https://", true, UInt16(443))]
    guard let (scheme, isSecure, defaultPort) = schemes.first(where: { url.hasPrefix($0.0) }) else {
      throw Diagnostic(file: "", message: "`\(url)` is no URL", hint: Self.hint)
    }
    let rest = url.dropFirst(scheme.utf8.count)
    authority = String(rest.prefix { $0 != "/" })
    let tail = String(rest.dropFirst(authority.count))
    path = tail.isEmpty || tail == "/" ? "/v1/chat/completions" : tail
    self.isSecure = isSecure
    guard path.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
      throw Diagnostic(
        file: "", message: "the path `\(path)` holds what no path can", hint: "encode it as %20 and so on")
    }
    // The port follows the last colon, unless that colon belongs to an IPv6 address in brackets.
    var name = authority
    var port = defaultPort
    if let colon = authority.lastIndex(of: ":"), !authority[colon...].contains("]") {
      guard let number = UInt16(authority[authority.index(after: colon)...]), number > 0 else {
        throw Diagnostic(file: "", message: "`\(authority)` has no valid port", hint: "1 to 65535")
      }
      name = String(authority[..<colon])
      port = number
    }
    if name.hasPrefix("["), name.hasSuffix("]") { name = String(name.dropFirst().dropLast()) }
    host = name
    guard !name.isEmpty else { throw Diagnostic(file: "", message: "`\(url)` names no host", hint: Self.hint) }
    // Both families may stand for this name, and the listener to be measured mostly has the older one.
    switch Resolver.lookUp(host: name == "localhost" ? "127.0.0.1" : name, port: port) {
    case .success(let found): address = found[0]
    case .failure(let failure): throw Diagnostic(file: "", message: failure.description)
    }
  }
}

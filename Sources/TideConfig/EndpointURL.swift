/// The URL of an endpoint: scheme, host, optional port, optional path. Nothing else may stand in it.
enum EndpointURL {
  struct Problem: Error, Equatable {
    var message: String
  }

  static func parse(_ text: String) -> Result<EndpointConfiguration, Problem> {
    let scheme: EndpointConfiguration.Scheme
    var rest = Substring(text)
    if text.lowercased().hasPrefix("http://") {
      scheme = .http
      rest = rest.dropFirst(7)
    } else if text.lowercased().hasPrefix("https://") {
      scheme = .https
      rest = rest.dropFirst(8)
    } else {
      return .failure(Problem(message: "must begin with http:// or https://"))
    }
    // User information is looked for first: a message about a later part must not repeat a password.
    if rest.contains("@") {
      return .failure(Problem(message: "must not hold a user or password: use `credentials`"))
    }
    if rest.contains("?") || rest.contains("#") {
      return .failure(Problem(message: "must not have a query or fragment"))
    }
    let authority = rest.prefix { $0 != "/" }
    var path = rest[authority.endIndex...]
    while path.hasSuffix("/") { path = path.dropLast() }
    guard path.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\\") }),
      !path.split(separator: "/").contains(where: { $0 == "." || $0 == ".." })
    else { return .failure(Problem(message: "has a path that cannot be sent: `\(path)`")) }

    let hasPort = authority.hasPrefix("[") ? !authority.hasSuffix("]") : authority.contains(":")
    let full = hasPort ? String(authority) : "\(authority):\(scheme == .https ? 443 : 80)"
    guard let address = ListenAddress(parsing: full), address.port > 0 else {
      return .failure(Problem(message: "has no valid host and port: `\(authority)`"))
    }
    return .success(
      EndpointConfiguration(
        scheme: scheme, host: address.host.lowercased(), port: address.port, pathPrefix: String(path)))
  }
}

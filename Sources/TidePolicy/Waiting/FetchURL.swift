/// An `http` or `https` URL that a policy may call, taken apart strictly: what is unusual is refused, since two readers of
/// one URL must not see two hosts in it.
public struct FetchURL: Sendable, Hashable {
  public let isSecure: Bool
  /// In lower case, without brackets and without a trailing dot.
  public let host: String
  public let port: Int
  /// The path and the query; at least `/`.
  public let target: String

  /// Nil with the reason when the text is no such URL.
  public static func parse(_ text: String) -> Result<FetchURL, HostProblem> {
    let bytes = Array(text.utf8)
    guard bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\\") }) else {
      return .failure(HostProblem("the URL holds a character that must be percent-encoded"))
    }
    let lower = text.lowercased()
    let isSecure = lower.hasPrefix("https://")
    guard isSecure || lower.hasPrefix("http://") else {
      return .failure(HostProblem("the URL must begin with http:// or https://"))
    }
    let rest = text.dropFirst(isSecure ? 8 : 7)
    let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
    var target = String(rest.dropFirst(authority.count).prefix { $0 != "#" })
    if !target.hasPrefix("/") { target = "/" + target }
    guard !authority.contains("@") else { return .failure(HostProblem("the URL must not hold a user name")) }
    var host = authority
    var port = isSecure ? 443 : 80
    let colon =
      authority.hasPrefix("[")
      ? authority.lastIndex(of: "]").map(authority.index(after:)) : authority.firstIndex(of: ":")
    if let colon, colon < authority.endIndex {
      host = authority[..<colon]
      let digits = authority[colon...].dropFirst()
      guard authority[colon] == ":", !digits.isEmpty, digits.utf8.allSatisfy({ $0 &- 0x30 < 10 }),
        let number = Int(digits), number > 0, number <= 65_535
      else { return .failure(HostProblem("the URL's port is not a number from 1 to 65535")) }
      port = number
    }
    return hostName(host).map { FetchURL(isSecure: isSecure, host: $0, port: port, target: target) }
  }

  /// A host in its one spelling.
  static func hostName(_ text: Substring) -> Result<String, HostProblem> {
    var host = text.lowercased()
    if host.hasPrefix("[") {
      guard host.hasSuffix("]"), host.utf8.dropFirst().dropLast().allSatisfy(isIPv6Byte) else {
        return .failure(HostProblem("the URL's IPv6 address is not valid"))
      }
      return .success(String(host.dropFirst().dropLast()))
    }
    if host.hasSuffix(".") { host.removeLast() }
    guard !host.isEmpty, host.utf8.count <= 253, !host.hasPrefix("."), host.utf8.allSatisfy(isNameByte) else {
      return .failure(HostProblem("the URL's host is not a name or an address"))
    }
    // Resolvers read 2130706433, 0x7f.1 and 0177.0.0.1 as 127.0.0.1.
    if let last = host.split(separator: ".", omittingEmptySubsequences: false).last, isNumber(last), !isDottedQuad(host)
    {
      return .failure(HostProblem("a host that is a number must be an IPv4 address of four decimal parts"))
    }
    return .success(host)
  }

  private static func isIPv6Byte(_ byte: UInt8) -> Bool {
    byte &- 0x30 < 10 || byte &- UInt8(ascii: "a") < 6 || byte == UInt8(ascii: ":") || byte == UInt8(ascii: ".")
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    byte &- 0x30 < 10 || byte &- UInt8(ascii: "a") < 26 || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".")
      || byte == UInt8(ascii: "_")
  }

  private static func isNumber(_ part: Substring) -> Bool {
    if part.hasPrefix("0x") { return true }
    return part.utf8.allSatisfy { $0 &- 0x30 < 10 }
  }

  private static func isDottedQuad(_ host: String) -> Bool {
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4
      && parts.allSatisfy { part in
        part.utf8.allSatisfy { $0 &- 0x30 < 10 } && !(part.count > 1 && part.hasPrefix("0")) && Int(part) ?? 256 < 256
      }
  }
}

/// What is wrong with a host or a URL, for whoever wrote it.
public struct HostProblem: Error, Sendable, Equatable {
  public var message: String
  init(_ message: String) { self.message = message }
}

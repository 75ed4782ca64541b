/// A host and a port to listen on, as `host:port`; an IPv6 address stands in brackets.
public struct ListenAddress: Sendable, Hashable, CustomStringConvertible {
  /// A literal IPv4 or IPv6 address without brackets, or a name.
  public var host: String
  /// 0 lets the system choose.
  public var port: Int

  public init(host: String, port: Int) {
    self.host = host
    self.port = port
  }

  public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

  /// Whether only this machine can reach it.
  public var isLoopback: Bool {
    host == "localhost" || host == "::1" || (host.hasPrefix("127.") && host.allSatisfy { $0.isNumber || $0 == "." })
  }

  /// - Returns: nil when `text` is not `host:port` with a port up to 65535.
  public init?(parsing text: String) {
    guard let colon = text.lastIndex(of: ":") else { return nil }
    var host = text[..<colon]
    let digits = text[text.index(after: colon)...]
    guard !digits.isEmpty, digits.count <= 5, digits.allSatisfy({ $0.isASCII && $0.isNumber }),
      let port = Int(digits), port <= 65535
    else { return nil }
    if host.hasPrefix("[") {
      guard host.hasSuffix("]") else { return nil }
      host = host.dropFirst().dropLast()
      guard host.contains(":"), host.allSatisfy({ $0.isHexDigit || $0 == ":" || $0 == "." }) else { return nil }
    } else {
      guard host.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "." || $0 == "-") }) else {
        return nil
      }
      // What looks like an IPv4 address must be one: no resolver may guess at `127.0.1` or `300.0.0.1`.
      if host.allSatisfy({ $0.isNumber || $0 == "." }) {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4, parts.allSatisfy({ $0.count <= 3 && Int($0).map { $0 <= 255 } ?? false }) else {
          return nil
        }
      }
    }
    guard !host.isEmpty else { return nil }
    self.init(host: String(host), port: port)
  }
}

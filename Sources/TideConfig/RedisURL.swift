import TideCore

/// A Redis server as `store` names it: `redis://user:password@host:port/database`, all but the host optional.
enum RedisURL {
  /// What is wrong, without any part of the text: where a host is missing, a password stands in its place.
  struct Problem: Error, Equatable {
    var message: String
    var hint: String
  }

  private static let example =
    "memory, or redis://host:6379/0 with user:password@ before the host where the server asks"
  private static let databaseMax = 65_535

  static func parse(_ text: String) -> Result<RedisConfiguration, Problem> {
    let lower = text.lowercased()
    if lower.hasPrefix("rediss://") {
      return .failure(
        Problem(
          message: "cannot be reached by TLS: `rediss://` is not supported by this version of tidegate",
          hint: "use redis:// on a private network or to a TLS tunnel on this machine"))
    }
    guard lower.hasPrefix("redis://") else {
      return .failure(Problem(message: "must be `memory` or begin with redis://", hint: example))
    }
    var rest = text.dropFirst(8)
    var user = ""
    var password = ""
    // The last one, so that a password with an unescaped @ is not taken for a host and shown.
    if let at = rest.lastIndex(of: "@") {
      let parts = rest[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      rest = rest[rest.index(after: at)...]
      guard let name = decoded(parts[0]), let word = decoded(parts.count > 1 ? parts[1] : "") else {
        return .failure(
          Problem(
            message: "has a user or password with a broken escape",
            hint: "write %25 for %, %40 for @, %3A for : and %2F for /"))
      }
      (user, password) = (name, word)
      guard !password.isEmpty else {
        return .failure(
          Problem(
            message: "has a user but no password", hint: "write user:password@, or :password@ for the default user"))
      }
    }
    if rest.contains("?") || rest.contains("#") {
      return .failure(Problem(message: "must not have a query or fragment", hint: example))
    }
    let authority = rest.prefix { $0 != "/" }
    let path = rest[authority.endIndex...].dropFirst()
    guard path.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }), path.utf8.count <= 5,
      let database = path.isEmpty ? 0 : Int(path), database <= databaseMax
    else {
      return .failure(
        Problem(message: "has no valid database", hint: "a whole number after the port, such as /0"))
    }
    let hasPort = authority.hasPrefix("[") ? !authority.hasSuffix("]") : authority.contains(":")
    guard let address = ListenAddress(parsing: hasPort ? String(authority) : "\(authority):6379"), address.port > 0
    else {
      return .failure(
        Problem(message: "has no valid host and port", hint: "such as redis://10.0.0.9:6379/0"))
    }
    return .success(
      RedisConfiguration(
        host: address.host, port: address.port, user: user, password: Secret(password), database: database))
  }

  /// The text without its percent escapes; nil when one is broken, or stands for bytes that are no text.
  private static func decoded(_ text: Substring) -> String? {
    var bytes: [UInt8] = []
    var rest = Substring(text).utf8[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      let digits = rest.prefix(2)
      guard digits.count == 2, let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16),
        digits.first != UInt8(ascii: "+")
      else { return nil }
      bytes.append(value)
      rest = rest.dropFirst(2)
    }
    return String(validating: bytes, as: UTF8.self)
  }
}

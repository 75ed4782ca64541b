import TideCore

/// Which fields of a message cross the gateway (robustness, section 3).
enum ForwardedHeaders {
  /// Fields that `Connection` cannot remove by naming them.
  private static let notNamable: Set<String> = [
    "host", "content-length", "authorization", "x-api-key", "api-key", "x-goog-api-key",
  ]

  /// A request's fields as they go to an endpoint: hop-by-hop fields, client credentials and fields that the gateway writes itself are left out.
  static func request(_ headers: HeaderList) -> HeaderList {
    filter(headers) { !isClientCredential($0) && !isRewrittenInRequests($0) }
  }

  /// A response's fields as they go to the client.
  static func response(_ headers: HeaderList) -> HeaderList {
    filter(headers) { !isRewrittenInResponses($0) }
  }

  private static func filter(_ headers: HeaderList, keep: (UnsafeRawBufferPointer) -> Bool) -> HeaderList {
    let named = namedByConnection(headers)
    var result = HeaderList()
    result.reserve(for: headers)
    headers.forEach { name, value in
      if isHopByHop(name) || !keep(name) { return }
      if !named.isEmpty, named.contains(String(decoding: name, as: UTF8.self)) { return }
      result.append(name, value)
    }
    return result
  }

  private static func namedByConnection(_ headers: HeaderList) -> Set<String> {
    guard let connection = headers.joined("connection") else { return [] }
    let names = connection.split(separator: ",").map { name in
      String(name.drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }.reversed()).lowercased()
    }
    return Set(names).subtracting(notNamable)
  }

  /// The query without the parameters that carry a client's key (`key`, as Gemini's clients send it).
  static func query(_ query: String?) -> String? {
    guard let query else { return nil }
    let kept = query.split(separator: "&", omittingEmptySubsequences: false).filter {
      !($0 == "key" || $0.hasPrefix("key="))
    }
    return kept.isEmpty ? nil : kept.joined(separator: "&")
  }

  // MARK: Names, in lower case. Looked at by their length first, since this runs for each field of each message.

  /// Fields that speak of one connection only, whatever `Connection` says.
  private static func isHopByHop(_ name: UnsafeRawBufferPointer) -> Bool {
    switch name.count {
    case 2: name.equals("te")
    case 7: name.equals("trailer") || name.equals("upgrade")
    case 10: name.equals("connection") || name.equals("keep-alive")
    case 14: name.equals("http2-settings")
    case 16: name.equals("proxy-connection")
    case 17: name.equals("transfer-encoding")
    case 18: name.equals("proxy-authenticate")
    case 19: name.equals("proxy-authorization")
    default: false
    }
  }

  /// What a client proves itself with: it ends at the gateway.
  private static func isClientCredential(_ name: UnsafeRawBufferPointer) -> Bool {
    switch name.count {
    case 6: name.equals("cookie")
    case 7: name.equals("api-key")
    case 9: name.equals("x-api-key")
    case 13: name.equals("authorization")
    case 14: name.equals("x-goog-api-key")
    default: false
    }
  }

  /// What the gateway says itself.
  private static func isRewrittenInRequests(_ name: UnsafeRawBufferPointer) -> Bool {
    switch name.count {
    case 4: name.equals("host")
    case 6: name.equals("expect")
    case 9: name.equals("forwarded") || name.equals("x-real-ip")
    case 12: name.equals("x-request-id")
    case 14: name.equals("content-length")
    case 15: name.equals("accept-encoding") || name.equals("x-forwarded-for")
    case 16: name.equals("x-forwarded-host") || name.equals("x-forwarded-port")
    case 17: name.equals("x-forwarded-proto")
    default: false
    }
  }

  private static func isRewrittenInResponses(_ name: UnsafeRawBufferPointer) -> Bool {
    switch name.count {
    case 7: name.equals("alt-svc")
    case 10: name.equals("set-cookie")
    case 12: name.equals("x-request-id")
    case 14: name.equals("content-length")
    default: false
    }
  }
}

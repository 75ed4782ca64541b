import TideCore

/// Which fields of a message cross the gateway (robustness, section 3).
enum ForwardedHeaders {
  /// Fields that speak of one connection only, whatever `Connection` says.
  private static let hopByHop: Set<String> = [
    "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
    "proxy-authenticate", "proxy-authorization", "http2-settings",
  ]
  /// Fields that `Connection` cannot remove by naming them.
  private static let notNamable: Set<String> = [
    "host", "content-length", "authorization", "x-api-key", "api-key", "x-goog-api-key",
  ]
  /// What a client proves itself with: it ends at the gateway.
  private static let clientCredentials: Set<String> = [
    "authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie",
  ]
  /// What the gateway says itself.
  private static let rewrittenInRequests: Set<String> = [
    "content-length", "accept-encoding", "x-request-id", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host",
    "x-forwarded-port", "forwarded", "x-real-ip", "expect", "host",
  ]
  private static let rewrittenInResponses: Set<String> = ["content-length", "x-request-id", "set-cookie", "alt-svc"]

  /// A request's fields as they go to an endpoint: hop-by-hop fields, client credentials and fields that the gateway writes itself are left out.
  static func request(_ headers: HeaderList) -> HeaderList {
    filter(headers) { !clientCredentials.contains($0) && !rewrittenInRequests.contains($0) }
  }

  /// A response's fields as they go to the client.
  static func response(_ headers: HeaderList) -> HeaderList {
    filter(headers) { !rewrittenInResponses.contains($0) }
  }

  private static func filter(_ headers: HeaderList, keep: (String) -> Bool) -> HeaderList {
    let named = namedByConnection(headers)
    var result = HeaderList()
    for index in 0..<headers.count {
      let name = headers.name(at: index)
      if hopByHop.contains(name) || named.contains(name) || !keep(name) { continue }
      result.append(name, headers.value(at: index))
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
}

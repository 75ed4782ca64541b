/// A request head as a codec hands it on: validated, hop-by-hop fields not yet removed, framing fields already interpreted.
public struct RequestHead: Sendable, Equatable {
  public var method: String
  /// `http` or `https`.
  public var scheme: String
  /// Host and optional port. In HTTP/1.1 from `Host`, in HTTP/2 from `:authority` (or `host` when that is absent).
  public var authority: String
  /// Path and query as they came, starting with `/` (or `*` for OPTIONS).
  public var path: String
  /// Without pseudo-fields and without `host`.
  public var headers: HeaderList
  /// The announced length of the body; nil when it is not announced (chunked, or HTTP/2 without the field).
  public var contentLength: Int?

  public init(
    method: String, scheme: String = "http", authority: String = "", path: String, headers: HeaderList = HeaderList(),
    contentLength: Int? = nil
  ) {
    self.method = method
    self.scheme = scheme
    self.authority = authority
    self.path = path
    self.headers = headers
    self.contentLength = contentLength
  }
}

/// A response head. For a response without a body (HEAD, 204, 304) the end of the stream comes with it.
public struct ResponseHead: Sendable, Equatable {
  public var status: Int
  public var headers: HeaderList
  public var contentLength: Int?

  public init(status: Int, headers: HeaderList = HeaderList(), contentLength: Int? = nil) {
    self.status = status
    self.headers = headers
    self.contentLength = contentLength
  }
}

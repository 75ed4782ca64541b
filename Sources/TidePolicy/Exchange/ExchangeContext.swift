import TideCore
import TideDialects

/// The facts of one exchange that policies may ask for. The gateway fills them as they become known; owned by the
/// exchange's worker.
public final class ExchangeContext {
  public enum Kind: String, Sendable {
    case chat, completion, embedding, other
    case tokenCount = "token_count"
  }

  public struct Client: Sendable {
    public var ip = ""
    public var port = 0
    public var isTLS = false
    /// `h2`, `h2c` or `http/1.1`.
    public var protocolName = ""
    public init() {}
  }

  public struct Route: Sendable {
    public var name = ""
    /// Of the current attempt; nil before the first.
    public var cluster: String?
    public var provider: String?
    public var model: String?
    public init() {}
  }

  public struct Response: Sendable {
    public enum Source: String, Sendable { case upstream, policy, gateway }
    public var status: Int
    public var headers: HeaderList
    public var source: Source
    public init(status: Int, headers: HeaderList = HeaderList(), source: Source = .upstream) {
      self.status = status
      self.headers = headers
      self.source = source
    }
  }

  public var id: String
  /// From 1.
  public var attempt = 1
  /// When the time of the whole exchange is over; nil without a limit.
  public var deadline: MonotonicTime?
  public var kind = Kind.other
  /// The name of what the client speaks.
  public var dialect = Dialect.openAI.name
  /// What the client asked for; nil before the body is read, and when it names none.
  public var model: String?
  public var isStreaming = false
  public var listener = ""
  public var client = Client()
  public var auth: Identity?
  public let request: RequestHead
  /// Bytes of the request's body.
  public var requestSize = 0
  /// The parsed request; its edits are the policies' writes.
  public var chat: ChatRequest?
  /// Grows when messages are inserted or removed, so that parts of an earlier loop are known to be out of date.
  var promptRevision = 0
  public var route = Route()
  public var response: Response?
  public var usage: TokenUsage?
  public var usageSource = TokenUsage.Source.upstream
  public var ttftMs: Double?
  /// The last word of a policy that ended the exchange's way; nil while none did.
  public internal(set) var decision: PolicyDecision?
  /// What the exchange holds of `tide.limit.concurrent`; its run gives them back.
  var places: [HeldPlace] = []
  /// What it has set aside by `tide.limit.tokens`; its run settles them.
  var reservations: [TokenReservation] = []
  /// What the client got of the answer's text, where a policy wants to know.
  var keptText = KeptText()
  /// By binding.
  var filterStates: [Int: FilterState] = [:]

  public init(id: String, request: RequestHead) {
    self.id = id
    self.request = request
  }

  /// The path without its query.
  public var path: Substring { request.path.prefix { $0 != "?" } }

  /// What stands after the first question mark.
  public var query: Substring? {
    request.path.firstIndex(of: "?").map { request.path[request.path.index(after: $0)...] }
  }

  /// The key that the client showed: `Authorization: Bearer`, else `x-api-key`, else `api-key`.
  public var credential: String? {
    if let value = request.headers["authorization"] {
      let scheme = value.prefix(7)
      if scheme.lowercased() == "bearer " {
        let rest = value.dropFirst(7).drop { $0 == " " }
        return rest.isEmpty ? nil : String(rest)
      }
    }
    return request.headers["x-api-key"] ?? request.headers["api-key"]
  }

  /// The value that a `when` asks about.
  func value(_ key: MatchCondition.Key) -> String? {
    switch key {
    case .path: String(path)
    case .method: request.method
    case .host: Self.hostWithoutPort(request.authority)
    case .header: nil
    case .route: route.name
    case .listener: listener
    case .kind: kind.rawValue
    case .dialect: dialect
    case .model: model
    case .tenant: auth?.tenant
    case .streaming: isStreaming ? "true" : "false"
    }
  }

  func matches(_ condition: MatchCondition?) -> Bool {
    guard let condition else { return true }
    return condition.matches(value: value, header: { request.headers.joined($0) })
  }

  /// The host of an authority, in lower case; an IPv6 literal keeps its brackets.
  static func hostWithoutPort(_ authority: String) -> String {
    let host = authority.lowercased()
    if host.hasPrefix("[") { return host.firstIndex(of: "]").map { String(host[...$0]) } ?? host }
    return host.lastIndex(of: ":").map { String(host[..<$0]) } ?? host
  }
}

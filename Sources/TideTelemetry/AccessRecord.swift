/// What is logged of one exchange: an allow-list. There is no field for a prompt, an answer, a key, a query or a header.
public struct AccessRecord: Sendable {
  /// When the exchange ended.
  public var time: UTCTimestamp
  public var id = ""
  /// One of a fixed set of words.
  public var outcome = ""
  public var dialect = ""
  public var kind = ""
  public var method = ""
  /// Without query.
  public var path = ""
  /// As the client wrote it; cut to 128 bytes and escaped when it is written.
  public var model: String?
  public var route: String?
  public var cluster: String?
  public var endpoint: String?
  /// 0: no head was sent.
  public var status = 0
  public var isStreaming = false
  /// nil: there was no token.
  public var ttftMs: Double?
  public var durationMs = 0.0
  public var tokensIn: Int?
  public var tokensOut: Int?
  /// The binding that ended the exchange's way; nil where none did, or the gateway itself.
  public var policy: String?
  /// What ended it: deny, respond, cut, or a policy's error.
  public var verdict: String?
  public var keyID: String?
  public var tenant: String?
  public var clientAddress: String?
  public var clientProtocol: String?
  public var bytesIn: UInt64 = 0
  public var bytesOut: UInt64 = 0
  public var attempts = 0
  /// The generation of policies that the exchange followed.
  public var generation = 0

  static let modelByteLimit = 128
  /// For the other texts, so that no field makes a line unreadable.
  static let textByteLimit = 256

  public init(time: UTCTimestamp = .now()) { self.time = time }

  /// Appends the line, its newline included. Fields without a value are left out.
  public func write(as style: LogStyle, to line: inout [UInt8]) {
    var fields = LogFields(style: style, line: line)
    line = []
    fields.add("time", time)
    if style == .json { fields.add("type", "access") }
    fields.addText("id", id)
    fields.addText("outcome", outcome)
    fields.addText("dialect", dialect)
    fields.addText("kind", kind)
    fields.addText("method", method)
    fields.addText("path", path)
    fields.addText("model", model, limit: Self.modelByteLimit)
    fields.addText("route", route)
    fields.addText("cluster", cluster)
    fields.addText("endpoint", endpoint)
    fields.add("status", status)
    fields.add("streaming", isStreaming)
    if let ttftMs { fields.add("ttft_ms", ms: ttftMs) }
    fields.add("duration_ms", ms: durationMs)
    if let tokensIn { fields.add("tokens_in", tokensIn) }
    if let tokensOut { fields.add("tokens_out", tokensOut) }
    fields.addText("policy", policy)
    fields.addText("verdict", verdict)
    fields.addText("key_id", keyID)
    fields.addText("tenant", tenant)
    fields.addText("client", clientAddress)
    fields.addText("protocol", clientProtocol)
    fields.add("bytes_in", bytesIn)
    fields.add("bytes_out", bytesOut)
    fields.add("attempts", attempts)
    fields.add("generation", generation)
    line = fields.finish()
  }
}

/// How lines look: `key=value` for people, JSON for programs.
public enum LogStyle: Sendable, Equatable { case text, json }

/// What is logged of one exchange: an allow-list. There is no field for a prompt, an answer, a key or a header.
public struct AccessRecord: Sendable {
  public var time: UTCTimestamp
  public var id = ""
  public var outcome = ExchangeOutcome.complete
  public var dialect = ""
  /// As the client wrote it; cut to 128 bytes and escaped when it is written.
  public var model = ""
  public var route = ""
  public var cluster = ""
  public var endpoint = ""
  public var method = ""
  /// 0: no head was sent.
  public var status = 0
  /// nil: there was no token.
  public var timeToFirstTokenMs: UInt64?
  public var durationMs: UInt64 = 0
  public var inputTokens: UInt64?
  public var outputTokens: UInt64?
  /// Which policy decided and what: `word-filter:cut`; empty when none did.
  public var policyVerdict = ""
  public var keyID = ""
  public var tenant = ""
  public var clientIP = ""
  /// `h2`, `h2c`, `http/1.1`.
  public var clientProtocol = ""
  public var bytesIn: UInt64 = 0
  public var bytesOut: UInt64 = 0
  public var attempts = 0
  public var isStreaming = false
  /// The generation of policies that the exchange followed.
  public var generation: UInt64 = 0

  static let modelByteLimit = 128
  /// For the other texts, so that no field makes a line unreadable.
  static let textByteLimit = 256

  public init(time: UTCTimestamp) { self.time = time }

  /// Appends the line, its newline included.
  public func write(as style: LogStyle, to line: inout [UInt8]) {
    var fields = LogFields(style: style, line: line)
    line = []
    fields.add("time", time)
    if style == .json { fields.add("type", "access") }
    fields.addText("id", id)
    fields.add("outcome", outcome.rawValue)
    fields.addText("dialect", dialect)
    if !model.isEmpty { fields.add("model", LogText.truncated(model, toBytes: Self.modelByteLimit)) }
    fields.addText("route", route)
    fields.addText("cluster", cluster)
    fields.addText("endpoint", endpoint)
    fields.addText("method", method)
    fields.add("status", UInt64(clamping: status))
    if let timeToFirstTokenMs { fields.add("ttft_ms", timeToFirstTokenMs) }
    fields.add("duration_ms", durationMs)
    if let inputTokens { fields.add("tokens_in", inputTokens) }
    if let outputTokens { fields.add("tokens_out", outputTokens) }
    fields.addText("policy", policyVerdict)
    fields.addText("key_id", keyID)
    fields.addText("tenant", tenant)
    fields.addText("client", clientIP)
    fields.addText("protocol", clientProtocol)
    fields.add("bytes_in", bytesIn)
    fields.add("bytes_out", bytesOut)
    fields.add("attempts", UInt64(clamping: attempts))
    fields.add("streaming", isStreaming ? "true" : "false", isQuoted: false)
    fields.add("generation", generation)
    line = fields.finish()
  }
}

/// How lines look: `key=value` for people, JSON for programs.
public enum LogStyle: Sendable, Equatable { case text, json }

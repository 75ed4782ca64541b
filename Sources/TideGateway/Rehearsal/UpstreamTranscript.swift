import TideCore
import TideDialects
import TidePolicy

/// A reply as an engine of one dialect writes it: the events of its stream, or its whole body.
///
/// Written here rather than by the gateway's own writers, so that what is rehearsed is not measured by itself.
struct UpstreamTranscript {
  struct Event {
    /// Empty where the dialect has no names.
    var name = ""
    var data: [UInt8]
    /// The silence before it.
    var waitMs = 0
  }

  var events: [Event] = []
  var model: String
  var isIncludingUsage = true

  /// The text in deltas, each with the silence before it.
  static func deltas(of reply: UpstreamReply, _ delivery: Delivery) -> [UpstreamReply.Chunk] {
    guard let pieces = Cutting.cut(reply.text, delivery.deltas) else { return reply.chunks.filter { !$0.text.isEmpty } }
    return pieces.map { UpstreamReply.Chunk(text: $0) }
  }

  /// A tool call's arguments in deltas.
  static func argumentDeltas(_ call: UpstreamReply.ToolCall, _ delivery: Delivery) -> [[UInt8]] {
    let bytes = Array(call.arguments.utf8)
    if delivery.deltas == .asWritten { return Cutting.cut(bytes, Delivery.Reads.at(bytes.count / 2)) }
    return Cutting.cut(bytes, delivery.deltas) ?? [bytes]
  }

  /// The steps of a reply to one request.
  static func play(_ reply: UpstreamReply, _ delivery: Delivery, model: String) -> UpstreamPlay {
    var play = answer(reply, delivery, model: model)
    if reply.waitMs > 0 { play.steps.insert(.wait(ms: reply.waitMs), at: 0) }
    return play
  }

  private static func answer(_ reply: UpstreamReply, _ delivery: Delivery, model: String) -> UpstreamPlay {
    var play = UpstreamPlay()
    switch reply.failure {
    case .connect:
      play.refusesConnection = true
      return play
    case .timeout: return play
    case .reset:
      play.steps = [.reset]
      return play
    case .truncated, nil: break
    }
    var headers = HeaderList(reply.headers)
    let streams = delivery.isStreamed && reply.status < 400 && reply.body == nil
    if !reply.isUntyped, !headers.contains("content-type") {
      headers.set("content-type", streams ? "text/event-stream" : "application/json")
    }
    guard streams else {
      let body = reply.body ?? wholeBody(reply, delivery, model: model)
      play.steps = [.head(ResponseHead(status: reply.status, headers: headers, contentLength: body.count))]
      let isBroken = reply.failure == .truncated || delivery.breaksAfter != nil
      let sent = isBroken ? Array(body.prefix(body.count / 2)) : body
      play.steps += Cutting.cut(sent, delivery.reads).map { .bytes($0) }
      play.steps.append(isBroken ? .reset : .end)
      return play
    }
    play.steps = [.head(ResponseHead(status: reply.status, headers: headers))]
    var events = streamEvents(reply, delivery, model: model)
    if reply.failure == .truncated { events.removeLast(min(events.count, endingCount(delivery.dialect))) }
    if let limit = delivery.breaksAfter { events.removeLast(max(0, events.count - limit)) }
    var run: [UInt8] = []
    for event in events {
      if event.waitMs > 0 {
        play.steps += Cutting.cut(run, delivery.reads).map { .bytes($0) }
        run = []
        play.steps.append(.wait(ms: event.waitMs))
      }
      run += framed(event, delivery.lineEnding)
      if delivery.reads == .events {
        play.steps.append(.bytes(run))
        run = []
      }
    }
    play.steps += Cutting.cut(run, delivery.reads).map { .bytes($0) }
    play.steps.append(reply.failure == .truncated || delivery.breaksAfter != nil ? .reset : .end)
    return play
  }

  /// How many events of a stream come behind its last text.
  private static func endingCount(_ dialect: Dialect) -> Int {
    switch dialect {
    case .openAI: 3
    case .responses: 4
    case .anthropic: 3
    }
  }

  static func streamEvents(_ reply: UpstreamReply, _ delivery: Delivery, model: String) -> [Event] {
    var transcript = UpstreamTranscript(model: model)
    switch delivery.dialect {
    case .openAI: transcript.writeChat(reply, delivery)
    case .responses: transcript.writeResponses(reply, delivery)
    case .anthropic: transcript.writeMessages(reply, delivery)
    }
    return transcript.events
  }

  private static func wholeBody(_ reply: UpstreamReply, _ delivery: Delivery, model: String) -> [UInt8] {
    if reply.status >= 400 { return errorBody(reply, delivery.dialect) }
    let transcript = UpstreamTranscript(model: model)
    switch delivery.dialect {
    case .openAI: return transcript.chatBody(reply, choices: delivery.choices)
    case .responses: return transcript.responseObject(reply, isEnd: true)
    case .anthropic: return transcript.message(reply)
    }
  }

  private static func errorBody(_ reply: UpstreamReply, _ dialect: Dialect) -> [UInt8] {
    let type = reply.error.type.isEmpty ? (reply.status == 429 ? "rate_limit_error" : "api_error") : reply.error.type
    let error = "\"type\":\(quote(type)),\"message\":\(quote(reply.error.message))"
    let code = reply.error.code.isEmpty ? "null" : quote(reply.error.code)
    return dialect == .anthropic
      ? Array("{\"type\":\"error\",\"error\":{\(error)}}".utf8) : Array("{\"error\":{\(error),\"code\":\(code)}}".utf8)
  }

  private static func framed(_ event: Event, _ ending: Delivery.LineEnding) -> [UInt8] {
    let end: [UInt8] =
      switch ending {
      case .lf: [0x0A]
      case .crlf: [0x0D, 0x0A]
      case .cr: [0x0D]
      }
    var bytes: [UInt8] = []
    if !event.name.isEmpty { bytes += Array("event: \(event.name)".utf8) + end }
    bytes += Array("data: ".utf8) + event.data + end + end
    return bytes
  }

  // MARK: JSON

  mutating func add(_ name: String = "", _ parts: [UInt8]..., waitMs: Int = 0) {
    events.append(Event(name: name, data: parts.flatMap(\.self), waitMs: waitMs))
  }

  static func quote(_ text: String) -> String { String(decoding: quoted(Array(text.utf8)), as: UTF8.self) }

  /// A JSON string; a cut UTF-8 sequence goes out as it is, as engines send it.
  static func quoted(_ text: [UInt8]) -> [UInt8] {
    var out = ByteQueue()
    out.append(byte: 0x22)
    text.withUnsafeBytes { JSONText.escape($0, into: &out) }
    out.append(byte: 0x22)
    return Array(out.readableBytes)
  }
}

extension [UInt8] {
  init(json text: String) { self = Array(text.utf8) }
}

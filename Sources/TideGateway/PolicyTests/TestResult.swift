import TideCore
import TideDialects
import TideLua
import TidePolicy

/// What came of one chat, as a test reads it.
final class TestResult {
  enum Field: String, CaseIterable {
    case status, headers, text, texts, reasoning, refusal, json, body, error, usage, finish, sent, attempts, logs,
      metrics, outcome
    case toolCalls = "tool_calls"
    case httpCalls = "http_calls"
  }

  let gateway: TestGateway
  let chat: ChatCase
  /// In the history of the gateway.
  let place: Int
  let client: RehearsalClient
  let answer: ReceivedAnswer
  let log: [PolicyLogEntry]
  /// Of the whole gateway, as they stood when the chat had ended.
  private let metrics: [String: Double]

  init(_ gateway: TestGateway, _ chat: ChatCase, _ place: Int, _ client: RehearsalClient) {
    self.gateway = gateway
    self.chat = chat
    self.place = place
    self.client = client
    answer = client.answer(chat.dialect)
    log = gateway.live.services.log(of: client.exchangeID)
    metrics = gateway.live.metrics
  }

  func value(_ field: Field) -> LuaValue {
    switch field {
    case .status: .integer(Int64(client.status))
    case .headers: .map(client.headers.pairs.map { (.text($0.name), .text($0.value)) })
    case .text: .text(answer.text)
    case .texts: .array(answer.choices.map { .text($0.text) })
    case .reasoning: .text(answer.choices[0].reasoning)
    case .refusal: .text(answer.choices[0].refusal)
    case .json: (answer.json ?? .null).luaValue
    case .body: .string(client.received)
    case .error: answer.error.map(Self.value) ?? .nilValue
    case .usage: usage
    case .finish: answer.choices[0].finish.map { .text($0) } ?? .nilValue
    case .sent: client.attempts.last { $0.head != nil }.map { SentRequest($0).value.luaValue } ?? .nilValue
    case .attempts: .array(client.attempts.map(Self.value))
    case .logs: .array(log.map(Self.value))
    case .metrics: .map(metrics.map { (.text($0.key), .number($0.value)) })
    case .outcome: .text(client.record?.outcome ?? "none")
    case .toolCalls: .array(answer.choices[0].toolCalls.map(Self.value))
    case .httpCalls:
      .array(
        client.calls.map { call, status in
          .map((call.value.luaValue.entries ?? []) + [(.text("status"), .integer(Int64(status)))])
        })
    }
  }

  /// What the client was told; else what the gateway booked.
  private var usage: LuaValue {
    let told = answer.usage
    let input = told?.input ?? client.record?.tokensIn ?? 0
    let output = told?.output ?? client.record?.tokensOut ?? 0
    return .map([
      (.text("input"), .integer(Int64(input))), (.text("output"), .integer(Int64(output))),
      (.text("cached"), .integer(Int64(told?.cached ?? 0))), (.text("total"), .integer(Int64(input + output))),
    ])
  }

  private static func value(_ failure: ReceivedAnswer.Failure) -> LuaValue {
    .map([
      (.text("message"), .text(failure.message)), (.text("type"), .text(failure.type)),
      (.text("code"), .text(failure.code)),
    ])
  }

  private static func value(_ call: ReceivedAnswer.ToolCall) -> LuaValue {
    .map([
      (.text("id"), .text(call.id)), (.text("name"), .text(call.name)), (.text("args_raw"), .text(call.arguments)),
      (.text("args"), (PolicyValue(json: Array(call.arguments.utf8)) ?? .null).luaValue),
    ])
  }

  private static func value(_ attempt: RehearsalAttempt) -> LuaValue {
    let sent = SentRequest(attempt)
    return .map([
      (.text("cluster"), .text(attempt.cluster)), (.text("endpoint"), .text(attempt.authority)),
      (.text("connected"), .boolean(attempt.head != nil)), (.text("model"), .text(sent.model)),
      (.text("reset"), .boolean(attempt.wasReset)),
    ])
  }

  private static func value(_ entry: PolicyLogEntry) -> LuaValue {
    .map([
      (.text("level"), .text(entry.level.rawValue)), (.text("policy"), .text(entry.binding)),
      (.text("hook"), .text(entry.hook)), (.text("message"), .text(entry.message)),
      (.text("fields"), .map(entry.fields.map { (.text($0.name), .text($0.value)) })),
    ])
  }
}

extension RehearsalClient {
  /// What was received, as a client of the dialect reads it.
  func answer(_ dialect: Dialect) -> ReceivedAnswer {
    ReceivedAnswer(
      received, dialect: dialect, status: status, contentType: headers["content-type"] ?? "",
      isWhole: !wasReset && !hasLeft)
  }
}

import TideCore
import TideDialects

/// A verdict as a policy made it; opaque to Lua.
enum Verdict: Sendable, Equatable {
  case deny(Denial)
  case respond(PolicyAnswer)
  case cut(LaneCut)
  case identity(Identity)
  case retry(RetryPlan)
  case tool(ToolEdit)

  /// The function that makes it.
  private var maker: HostFunction {
    switch self {
    case .deny: .deny
    case .respond: .respond
    case .cut: .cut
    case .identity: .identity
    case .retry: .retry
    case .tool: .tool
    }
  }

  /// The function that makes it, as messages name it.
  var name: String { maker.path ?? "" }

  /// Whether the hook may return it.
  func isLegal(in hook: HookName) -> Bool { maker.resultHooks?.contains(hook) == true }
}

/// What `tide.tool` asks for: another call, or text in its place.
struct ToolEdit: Sendable, Equatable {
  /// Nil keeps the call's own.
  var name: String?
  /// JSON; nil keeps the call's own.
  var arguments: String?
  /// Removes the call and says this.
  var denial: String?
}

/// What a host function refuses; the message is raised in the script.
struct HostError: Error, Equatable {
  var message: String
  init(_ message: String) { self.message = message }
}

/// Builds verdicts from what a script passed, as strictly as the wire needs: a policy must not be able to send a broken
/// response.
enum VerdictReader {
  static func deny(status: PolicyValue?, options: PolicyValue?) throws(HostError) -> Verdict {
    if status?.entries != nil || status?.elements != nil {
      throw HostError("tide.deny: the status comes first, before the table: tide.deny(403, { message = ... })")
    }
    guard let status = status?.wholeNumber, status >= 400, status <= 599 else {
      throw HostError("tide.deny: the status must be a number from 400 to 599")
    }
    let entries = try fields(options, .deny)
    var denial = Denial(status: status)
    for entry in entries {
      switch entry.key {
      case "code": denial.code = try text(entry, "tide.deny")
      case "message": denial.message = try text(entry, "tide.deny")
      case "type": denial.type = try text(entry, "tide.deny")
      case "headers": denial.headers = try headers(entry.value, "tide.deny")
      default: denial.retryAfterMs = try milliseconds(entry.value, "tide.deny: retry_after")
      }
    }
    return .deny(denial)
  }

  static func respond(_ options: PolicyValue?) throws(HostError) -> Verdict {
    var answer = PolicyAnswer()
    for entry in try fields(options, .respond) {
      switch entry.key {
      case "text": answer.text = try text(entry, "tide.respond")
      case "finish":
        let finish = try text(entry, "tide.respond")
        guard finishReasons.contains(finish) else {
          throw HostError(
            "tide.respond: finish must be one of \(finishReasons.joined(separator: ", ")), not \(finish.prefix(64))")
        }
        answer.finish = finish
      case "tool_calls":
        guard let calls = entry.value.elements, !calls.isEmpty else {
          throw HostError("tide.respond: tool_calls must be a list of { id, name, args }")
        }
        answer.toolCallsJSON = try toolCalls(calls)
      case "json": answer.json = try JSONText.encode(entry.value)
      default:
        for count in try fields(entry.value, "tide.respond: usage", ["input", "output"]) {
          guard let tokens = count.value.wholeNumber, (0...Int(Int32.max)).contains(tokens) else {
            throw HostError("tide.respond: usage.\(count.key) must be a whole number from 0")
          }
          if count.key == "input" { answer.inputTokens = tokens } else { answer.outputTokens = tokens }
        }
      }
    }
    let kinds = [answer.text != nil, answer.toolCallsJSON != nil, answer.json != nil].filter(\.self).count
    guard kinds == 1 else { throw HostError("tide.respond: give one of text, tool_calls and json") }
    return .respond(answer)
  }

  /// In OpenAI's words; the other dialects have theirs for them.
  private static let finishReasons = ["stop", "length", "tool_calls", "content_filter"]

  static func cut(_ options: PolicyValue?) throws(HostError) -> Verdict {
    var cut = LaneCut()
    for entry in try fields(options, .cut) {
      if entry.key == "reason" {
        let reason = try text(entry, "tide.cut")
        guard ["content_filter", "length", "stop"].contains(reason) else {
          throw HostError("tide.cut: the reason must be content_filter, length or stop")
        }
        cut.finishReason = reason
      } else {
        cut.text = try text(entry, "tide.cut")
      }
    }
    return .cut(cut)
  }

  static func identity(_ options: PolicyValue?) throws(HostError) -> Verdict {
    var identity = Identity()
    let entries = try fields(options, .identity)
    guard !entries.isEmpty else {
      throw HostError("tide.identity: say who it is: key_id, tenant, user or claims; nil where nobody is known")
    }
    for entry in entries {
      switch entry.key {
      case "key_id": identity.keyID = try text(entry, "tide.identity")
      case "tenant": identity.tenant = try text(entry, "tide.identity")
      case "user": identity.user = try text(entry, "tide.identity")
      default:
        guard entry.value.entries != nil || entry.value.elements != nil else {
          throw HostError("tide.identity: claims must be a table")
        }
        identity.claims = entry.value
      }
    }
    return .identity(identity)
  }

  static func retry(_ options: PolicyValue?) throws(HostError) -> Verdict {
    var plan = RetryPlan()
    for entry in try fields(options, .retry) {
      if entry.key == "delay" {
        plan.delayMs = try milliseconds(entry.value, "tide.retry: delay")
        guard plan.delayMs <= RetryPlan.delayMsMax else { throw HostError("tide.retry: delay must be at most 10s") }
      } else {
        plan.targets = try RouteTargets.read(entry.value, known: [], "tide.retry: targets")
      }
    }
    return .retry(plan)
  }

  static func tool(_ options: PolicyValue?) throws(HostError) -> Verdict {
    var edit = ToolEdit()
    for entry in try fields(options, .tool) {
      switch entry.key {
      case "name":
        let name = try text(entry, "tide.tool")
        guard !name.isEmpty else { throw HostError("tide.tool: the name must not be empty") }
        edit.name = name
      case "deny": edit.denial = try text(entry, "tide.tool")
      default:
        if let text = entry.value.text {
          edit.arguments = text
        } else if entry.value.entries != nil || entry.value.elements != nil {
          edit.arguments = try JSONText.encode(entry.value, emptyIsMap: true)
        } else {
          throw HostError("tide.tool: args must be a table or JSON text, not \(entry.value.kind)")
        }
      }
    }
    let isChange = edit.name != nil || edit.arguments != nil
    guard isChange != (edit.denial != nil) else {
      throw HostError("tide.tool: give { name, args }, or { deny = a message }")
    }
    return .tool(edit)
  }

  /// A time as policies write it: milliseconds, or text such as `10s`.
  static func milliseconds(_ value: PolicyValue, _ what: String) throws(HostError) -> Int {
    if let text = value.text, let ms = UnitText.milliseconds(text) { return ms }
    if let number = value.double, number >= 0, number < 9e15 { return Int(number.rounded(.up)) }
    throw HostError("\(what) must be milliseconds or a duration such as \"10s\"")
  }

  /// The entries of the table that a function takes, all of them known; none for nil.
  static func fields(_ value: PolicyValue?, _ function: HostFunction) throws(HostError) -> [PolicyValue.Entry] {
    try fields(value, function.path ?? "", function.optionKeys)
  }

  /// The entries of a table of options, all of them known; none for nil.
  static func fields(
    _ value: PolicyValue?, _ function: String, _ known: [String]
  ) throws(HostError) -> [PolicyValue.Entry] {
    guard let value, value != .null else { return [] }
    guard let entries = value.entries else { throw HostError("\(function): expected a table, got \(value.kind)") }
    for entry in entries where !known.contains(entry.key) {
      throw HostError("\(function): unknown key \(entry.key)" + SchemaReader.suggestion(entry.key, known))
    }
    return entries
  }

  private static func text(_ entry: PolicyValue.Entry, _ function: String) throws(HostError) -> String {
    switch entry.value {
    case .string(let text): return text
    case .integer(let number): return "\(number)"
    default: throw HostError("\(function): \(entry.key) must be a string, not \(entry.value.kind)")
    }
  }

  private static let forbiddenHeaders: Set<String> = [
    "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
    "transfer-encoding", "upgrade", "content-length", "content-encoding", "host", "date", "http2-settings",
  ]

  /// - Parameter function: who sends them; a denial's type of content is the host's affair.
  static func headers(
    _ value: PolicyValue, _ function: String
  ) throws(HostError) -> [(name: String, value: String)] {
    guard let entries = value.entries else {
      throw HostError("\(function): headers must be a table of names and values")
    }
    var result: [(name: String, value: String)] = []
    for entry in entries {
      let name = entry.key.lowercased()
      let value = try text(entry, "\(function): headers")
      guard !name.isEmpty, name.utf8.count <= 256, name.utf8.allSatisfy(isTokenByte) else {
        throw HostError("\(function): \(entry.key) is not the name of a header")
      }
      guard !forbiddenHeaders.contains(name), name != "content-type" || function == "tide.http" else {
        throw HostError("\(function): the host sets \(name) itself")
      }
      guard value.utf8.count <= 8192, value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else {
        throw HostError("\(function): the value of \(name) holds control characters or is too long")
      }
      let isPadded =
        value.first.map { $0 == " " || $0 == "\t" } ?? false || value.last.map { $0 == " " || $0 == "\t" } ?? false
      guard !isPadded else { throw HostError("\(function): the value of \(name) begins or ends with white space") }
      result.append((name, value))
    }
    return result.sorted { $0.name < $1.name }
  }

  /// RFC 9110 section 5.6.2.
  private static func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
    default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
  }

  private static func toolCalls(_ calls: [PolicyValue]) throws(HostError) -> String {
    var list: [PolicyValue] = []
    for (index, call) in calls.enumerated() {
      guard let name = call["name"]?.text, !name.isEmpty else {
        throw HostError("tide.respond: tool_calls[\(index + 1)] needs a name")
      }
      let json: String
      if let arguments = call["args"]?.text {
        json = arguments
      } else {
        json = try JSONText.encode(call["args"] ?? .map([]), emptyIsMap: true)
      }
      list.append(
        .map([
          .init("id", .string(call["id"]?.text ?? "call_\(index + 1)")), .init("type", .string("function")),
          .init("function", .map([.init("name", .string(name)), .init("arguments", .string(json))])),
        ]))
    }
    return try JSONText.encode(.array(list))
  }
}

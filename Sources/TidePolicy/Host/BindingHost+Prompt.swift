import TideCore
import TideDialects
import TideLua

/// The prompt and the parameters: reads, and the edits that `on_request` may make.
extension BindingHost {
  // MARK: Reading

  func getChat(_ field: ContextField, _ chat: ChatRequest, _ results: inout LuaResults) {
    switch field {
    case .promptMessages:
      results.append(
        LuaValue.array(
          chat.messages.map { .map([(.text("role"), .text($0.role)), (.text("text"), .text($0.text))]) }),
        copyOf: Int32(field.rawValue))
    case .promptSystem: put(chat.system, &results)
    case .promptTools:
      results.append(LuaValue.array(Self.toolNames(chat).map { .text($0) }), copyOf: Int32(field.rawValue))
    case .promptTokens: results.append(chat.tokensEstimate)
    case .paramMaxTokens: put(chat.maxTokens, &results)
    case .paramN: results.append(chat.n)
    default:
      guard let json = chat.parameter(field.name), let value = Self.parse(json) else { return results.appendNil() }
      let written = value.luaValue(hide: hide)
      if field.remedy == nil { results.append(written) } else { results.append(written, copyOf: Int32(field.rawValue)) }
    }
  }

  private static func parse(_ json: [UInt8]) -> PolicyValue? {
    json.withUnsafeBytes { bytes in
      do throws(HostError) { return try JSONText.decode(bytes) } catch { return nil }
    }
  }

  private static func toolNames(_ chat: ChatRequest) -> [String] {
    guard chat.hasTools, let json = chat.parameter("tools"), let tools = parse(json) else { return [] }
    return (tools.elements ?? []).compactMap { ($0["function"]?["name"] ?? $0["name"] ?? $0["type"])?.text }
  }

  // MARK: Writing

  func setChat(_ field: ContextField, _ chat: ChatRequest, _ value: PolicyValue) throws(HostError) {
    if field == .promptSystem {
      guard let text = value.text else { throw HostError("ctx.prompt.system must be a string") }
      chat.setSystem(text)
      return
    }
    if value == .null {
      chat.setParameter(field.name, nil)
      return
    }
    guard chat.hasParameter(field.name) else {
      throw HostError("ctx.\(field.entry.path) does not exist in the dialect \(chat.dialect.name)")
    }
    let isFitting =
      switch field.entry.type {
      case .integer: value.wholeNumber != nil
      case .number: value.double != nil
      case .string: value.text != nil || field == .paramStop && value.elements != nil
      default: true
      }
    guard isFitting else { throw HostError("ctx.\(field.entry.path) must be of type \(field.entry.type.rawValue)") }
    // A whole number stays one on the wire: 256.0 is written as 256.
    let whole = field.entry.type == .integer ? value.wholeNumber.map { PolicyValue.integer($0) } : nil
    guard chat.setParameter(field.name, Array(try JSONText.encode(whole ?? value).utf8)) else {
      throw HostError("ctx.\(field.entry.path) cannot be set to this value")
    }
  }

  private func message(_ argument: LuaArgumentView) throws(HostError) -> ChatMessage {
    let value = PolicyValue(argument.value)
    guard let role = value["role"]?.text, let text = value["text"]?.text else {
      throw HostError("a message is a table such as { role = \"system\", text = \"...\" }")
    }
    return ChatMessage(role: role, text: text)
  }

  func changeMessages(_ function: HostFunction, _ arguments: LuaArguments) throws(HostError) -> HostCallStatus {
    guard let object = arguments[0].object, object.kind == ObjectKind.prompt.rawValue else {
      throw HostError("call methods of ctx.prompt with a colon")
    }
    guard let context = context(object), let chat = context.chat else { return .stale }
    guard hook == .onRequest else { throw HostError("ctx.prompt is read-only in \(hook.name)") }
    if function == .appendMessage {
      chat.appendMessage(try message(arguments[1]))
      return .ok
    }
    guard let place = arguments[1].integer, place >= 1,
      place <= Int64(chat.messageCount + (function == .insertMessage ? 1 : 0))
    else { throw HostError("there is no message at this index; they count from 1") }
    let index = Int(place) - 1
    switch function {
    case .insertMessage: chat.insertMessage(try message(arguments[2]), at: index)
    case .removeMessage: chat.removeMessage(at: index)
    default:
      var messages = chat.messages
      messages[index] = try message(arguments[2])
      chat.replaceMessages(messages)
    }
    context.promptRevision &+= 1
    return .ok
  }

  // MARK: Loops over text

  func eachText(_ arguments: LuaArguments, _ results: inout LuaResults) throws(HostError) -> HostCallStatus {
    guard let object = arguments[0].object, object.kind == ObjectKind.prompt.rawValue else {
      throw HostError("call methods of ctx.prompt with a colon")
    }
    guard let context = context(object), let chat = context.chat else { return .stale }
    let roles = try rolesOfEachText(arguments)
    var list: [TextPart] = []
    for (index, message) in chat.messages.enumerated() {
      for part in 0..<message.textPartCount where roles?.contains(message.role(ofPart: part)) ?? true {
        list.append(TextPart(context: object, message: index, part: part, revision: context.promptRevision))
      }
    }
    let handle = loops.insert(TextLoop(parts: list))
    loopHandles.append(handle)
    results.append(function: HostFunction.nextText.rawValue, boundTo: handle)
    return .ok
  }

  /// The roles that `each_text` is to loop over; nil for all. What it does not understand it must not take for all: an edit would reach the
  /// system's message.
  private func rolesOfEachText(_ arguments: LuaArguments) throws(HostError) -> [String]? {
    let usage = "; it is for part in ctx.prompt:each_text { roles = { \"user\" } } do ... end"
    guard arguments[2].isNil else { throw HostError("each_text takes a table and nothing else" + usage) }
    if arguments[1].isNil { return nil }
    guard arguments[1].isTable else { throw HostError("each_text takes a table" + usage) }
    let options = PolicyValue(arguments[1].value)
    if options.elements?.isEmpty == false { throw HostError("each_text takes roles by name" + usage) }
    for entry in options.entries ?? [] where entry.key != "roles" {
      throw HostError("each_text: unknown key \(entry.key)" + SchemaReader.suggestion(entry.key, ["roles"]))
    }
    guard let value = options["roles"] else { return nil }
    guard let elements = value.elements, elements.allSatisfy({ $0.text != nil }) else {
      throw HostError("each_text: roles must be a list of strings" + usage)
    }
    return elements.compactMap(\.text)
  }

  func nextText(_ arguments: LuaArguments, _ results: inout LuaResults) -> HostCallStatus {
    guard let handle = arguments[0].object, let loop = loops[handle] else { return .stale }
    guard loop.cursor < loop.parts.count else {
      results.appendNil()
      return .ok
    }
    let part = parts.insert(loop.parts[loop.cursor])
    partHandles.append(part)
    loop.cursor += 1
    results.append(part)
    return .ok
  }

  func getPart(_ object: LuaHandle, _ field: Int32, _ results: inout LuaResults) -> HostCallStatus {
    guard let part = parts[object], let context = context(part.context), let chat = context.chat else { return .stale }
    guard part.revision == context.promptRevision else { return .raise(Self.movedPart) }
    switch field {
    case 0: results.append(chat.text(message: part.message, part: part.part))
    case 1: results.append(chat.messages[part.message].role(ofPart: part.part))
    default: results.append(part.message + 1)
    }
    return .ok
  }

  func setPart(_ object: LuaHandle, _ field: Int32, _ value: LuaArgumentView) -> HostCallStatus {
    guard let part = parts[object], let context = context(part.context), let chat = context.chat else { return .stale }
    guard field == 0, hook == .onRequest else {
      return .raise("part.\(TextPart.fields[Int(min(max(field, 0), 2))]) is read-only in \(hook.name)")
    }
    guard part.revision == context.promptRevision else { return .raise(Self.movedPart) }
    guard let text = value.bytes else { return .raise("part.text must be a string") }
    chat.setMessageText(message: part.message, part: part.part, text)
    return .ok
  }

  private static var movedPart: String { "this part is out of date: messages were inserted or removed since" }
}

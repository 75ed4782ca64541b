import TideCore
import TideDialects
import TideLua

/// The fields of `ctx`, resolved when a script asks. `ContextField` says what there is; this says where it stands.
extension BindingHost {
  static func kind(ofGroup field: ContextField) -> ObjectKind? {
    switch field {
    case .client: .client
    case .auth: .auth
    case .request: .request
    case .requestHeaders: .requestHeaders
    case .params: .params
    case .prompt: .prompt
    case .route: .route
    case .response: .response
    case .responseHeaders: .responseHeaders
    case .usage: .usage
    case .filters: .filters
    default: nil
    }
  }

  /// Registers everything that scripts see. Before the first load.
  static func register(on machine: LuaMachine) throws(LuaFailure) {
    for function in HostFunction.allCases {
      if let path = function.path { try machine.register(path: path, id: function.rawValue, options: function.options) }
    }
    try machine.registerKind(ObjectKind.null.rawValue, name: "tide.json.null")
    try machine.register(path: "tide.json.null", value: .object(null))
    try machine.registerKind(ObjectKind.context.rawValue, name: "ctx")
    for field in ContextField.allCases {
      guard let kind = kind(ofGroup: field) else { continue }
      try machine.registerKind(
        kind.rawValue, name: "ctx." + field.entry.path,
        hasDynamicKeys: kind == .requestHeaders || kind == .responseHeaders)
    }
    for field in ContextField.allCases {
      let kind = field.group.flatMap { Self.kind(ofGroup: $0) } ?? .context
      if let method = method(field) {
        try machine.registerMethod(kind: kind.rawValue, name: field.name, id: method.rawValue)
      } else {
        try machine.registerFields(kind: kind.rawValue, [(field.name, Int32(field.rawValue))])
      }
    }
    for field in ContextField.copies {
      try machine.registerCopy(id: Int32(field.rawValue), refusal: field.copyRefusal ?? "")
    }
    try machine.registerKind(ObjectKind.loop.rawValue, name: "each_text")
    try machine.registerKind(ObjectKind.part.rawValue, name: "part")
    try machine.registerFields(kind: ObjectKind.part.rawValue, names: TextPart.fields)
    try machine.registerKind(ObjectKind.pattern.rawValue, name: "pattern")
    for method in patternMethods {
      try machine.registerMethod(
        kind: ObjectKind.pattern.rawValue, name: method.name, id: method.function.rawValue,
        options: method.function.options)
    }
    try machine.registerKind(ObjectKind.search.rawValue, name: "gmatch")
    try machine.registerKind(ObjectKind.lane.rawValue, name: "lane")
    try machine.registerFields(kind: ObjectKind.lane.rawValue, names: ["channel", "choice", "block"])
  }

  private static func method(_ field: ContextField) -> HostFunction? {
    switch field {
    case .log: .contextLog
    case .promptEachText: .eachText
    case .promptAppend: .appendMessage
    case .promptInsert: .insertMessage
    case .promptRemove: .removeMessage
    case .promptReplace: .replaceMessage
    case .promptMask: .maskPrompt
    case .filtersDisable: .disableFilters
    case .filtersSet: .setFilters
    default: nil
    }
  }

  /// The exchange behind an object of `ctx` or one of its groups; nil when it has ended.
  func context(_ object: LuaHandle) -> ExchangeContext? {
    contexts[LuaHandle(kind: ObjectKind.context.rawValue, slot: object.slot, generation: object.generation)]
  }

  // MARK: Reading

  func read(_ object: LuaHandle, field: Int32, results: inout LuaResults) -> HostCallStatus {
    switch ObjectKind(rawValue: object.kind) {
    case .lane:
      getLane(object, field, &results)
      return .ok
    case .part: return getPart(object, field, &results)
    default: break
    }
    guard let context = context(object) else { return .stale }
    guard let field = ContextField(rawValue: UInt16(truncatingIfNeeded: field)) else { return .raise("no such field") }
    let entry = field.entry
    if hook < entry.firstHook {
      return .raise("ctx.\(entry.path) is not known yet in \(hook.name): it is from \(entry.firstHook.name) on")
    }
    if let group = Self.kind(ofGroup: field) {
      if isPresent(field, context) {
        results.append(LuaHandle(kind: group.rawValue, slot: object.slot, generation: object.generation))
      }
      return .ok
    }
    getLeaf(field, context, &results)
    return .ok
  }

  private func isPresent(_ group: ContextField, _ context: ExchangeContext) -> Bool {
    switch group {
    case .auth: context.auth != nil
    case .params, .prompt: context.chat != nil
    case .response, .responseHeaders: context.response != nil
    case .usage: context.usage != nil
    default: true
    }
  }

  private func getLeaf(_ field: ContextField, _ context: ExchangeContext, _ results: inout LuaResults) {
    switch field {
    case .id: results.append(context.id)
    case .attempt: results.append(context.attempt)
    case .now: results.append(services.wallClockMs())
    case .deadline: put(context.deadline.map { max(0, $0.milliseconds(since: services.now())) }, &results)
    case .kind: results.append(context.kind.rawValue)
    case .dialect: results.append(context.dialect)
    case .model: put(context.model, &results)
    case .streaming: results.append(context.isStreaming)
    case .listener: results.append(context.listener)
    case .ttft: put(context.ttftMs, &results)
    case .vars:
      if let variables { results.append(variables) } else { results.appendNil() }
    case .clientIP: results.append(context.client.ip)
    case .clientPort: results.append(context.client.port)
    case .clientTLS: results.append(context.client.isTLS)
    case .clientProtocol: results.append(context.client.protocolName)
    case .authKeyID: put(context.auth?.keyID, &results)
    case .authTenant: put(context.auth?.tenant, &results)
    case .authUser: put(context.auth?.user, &results)
    case .authClaims:
      results.append((context.auth?.claims ?? .map([])).luaValue(hide: hide), copyOf: Int32(field.rawValue))
    case .requestMethod: results.append(context.request.method)
    case .requestPath: results.append(String(context.path))
    case .requestQuery: put(context.query.map(String.init), &results)
    case .requestHost: results.append(ExchangeContext.hostWithoutPort(context.request.authority))
    case .requestCredential: put(context.credential, &results)
    case .requestSize: results.append(context.requestSize)
    case .routeName: results.append(context.route.name)
    case .routeCluster: put(context.route.cluster, &results)
    case .routeProvider: put(context.route.provider, &results)
    case .routeModel: put(context.route.model, &results)
    case .responseStatus: put(context.response?.status, &results)
    case .responseSource: put(context.response?.source.rawValue, &results)
    case .responseText:
      if binding.manifest.keepsText { results.append(context.keptText.text) } else { results.appendNil() }
    case .usageInput: put(context.usage?.prompt, &results)
    case .usageOutput: put(context.usage?.completion, &results)
    case .usageCached: put(context.usage?.cached, &results)
    case .usageTotal: put(context.usage?.total, &results)
    case .usageSource:
      put(context.usage.map { _ in context.usageSource == .upstream ? "upstream" : "counted" }, &results)
    default:
      guard let chat = context.chat else { return results.appendNil() }
      getChat(field, chat, &results)
    }
  }

  func put(_ text: String?, _ results: inout LuaResults) {
    if let text { results.append(text) } else { results.appendNil() }
  }

  func put(_ number: Int?, _ results: inout LuaResults) {
    if let number { results.append(number) } else { results.appendNil() }
  }

  func put(_ number: Double?, _ results: inout LuaResults) {
    if let number { results.append(number) } else { results.appendNil() }
  }

  // MARK: Lanes

  /// A lane is a plain value: its handle says all of it, so that it never goes stale.
  static func handle(_ lane: LaneID) -> LuaHandle {
    LuaHandle(
      kind: ObjectKind.lane.rawValue, slot: UInt32(bitPattern: lane.block) << 8 | UInt32(lane.channel.rawValue),
      generation: UInt32(bitPattern: lane.choice))
  }

  private func getLane(_ object: LuaHandle, _ field: Int32, _ results: inout LuaResults) {
    switch field {
    case 0:
      let name = Channel(rawValue: UInt8(truncatingIfNeeded: object.slot))?.name ?? "text"
      results.append(UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
    case 1: results.append(Int(object.generation))
    default: results.append(Int(object.slot >> 8))
    }
  }

  // MARK: Headers

  private func headers(_ object: LuaHandle, _ context: ExchangeContext) -> HeaderList {
    object.kind == ObjectKind.requestHeaders.rawValue
      ? context.request.headers : context.response?.headers ?? HeaderList()
  }

  func read(_ object: LuaHandle, key: LuaArgumentView, results: inout LuaResults) -> HostCallStatus {
    guard let context = context(object) else { return .stale }
    guard let name = key.text else { return .raise("a header's name is a string") }
    put(headers(object, context).joined(name.lowercased()), &results)
    return .ok
  }

  func refuseWrite(_ object: LuaHandle) -> HostCallStatus {
    let group = object.kind == ObjectKind.requestHeaders.rawValue ? "request" : "response"
    return .raise("ctx.\(group).headers is read-only in \(hook.name)")
  }

  func nextHeader(_ object: LuaHandle, after key: LuaArgumentView, results: inout LuaResults) -> HostCallStatus {
    guard let context = context(object) else { return .stale }
    let list = headers(object, context)
    var index = 0
    if let last = key.text { index = list.index(of: last).map { $0 + 1 } ?? list.count }
    while index < list.count {
      let name = list.name(at: index)
      if list.index(of: name) == index {
        results.append(name)
        put(list.joined(name), &results)
        return .ok
      }
      index += 1
    }
    return .ok
  }

  // MARK: Writing

  func write(_ object: LuaHandle, field: Int32, value: LuaArgumentView) -> HostCallStatus {
    if object.kind == ObjectKind.part.rawValue { return setPart(object, field, value) }
    if object.kind == ObjectKind.lane.rawValue { return .raise("lane is read-only") }
    guard let context = context(object) else { return .stale }
    guard let field = ContextField(rawValue: UInt16(truncatingIfNeeded: field)) else { return .raise("no such field") }
    let entry = field.entry
    guard entry.writers.contains(hook), let chat = context.chat else {
      let remedy = entry.writers.isEmpty ? field.remedy.map { ": " + $0 } : nil
      return .raise("ctx.\(entry.path) is read-only in \(hook.name)\(remedy ?? "")")
    }
    do throws(HostError) {
      try setChat(field, chat, PolicyValue(value.value))
      return .ok
    } catch {
      return .raise(error.message)
    }
  }

  func messageForUnknown(_ name: String, of object: LuaHandle) -> String {
    guard let kind = ObjectKind(rawValue: object.kind) else { return "unknown field \(name)" }
    let owner: String
    let known: [String]
    switch kind {
    case .lane: (owner, known) = ("lane", ["channel", "choice", "block"])
    case .part: (owner, known) = ("part", TextPart.fields)
    case .loop: (owner, known) = ("each_text", [])
    case .null: (owner, known) = ("tide.json.null", [])
    case .pattern: (owner, known) = ("pattern", Self.patternMethods.map(\.name))
    case .search: (owner, known) = ("gmatch", [])
    default:
      let group = ContextField.allCases.first { Self.kind(ofGroup: $0) == kind }
      owner = group.map { "ctx." + $0.entry.path } ?? "ctx"
      known = ContextField.allCases.filter { $0.group == group }.map(\.name)
    }
    return "\(owner) has no field \(name)" + SchemaReader.suggestion(name, known)
  }
}

import TideLua

/// A host with one kind of object, a few functions, and a memory of what it was asked.
final class RecordingHost: LuaHost {
  static let contextKind: UInt16 = 3
  static let headersKind: UInt16 = 4
  static let verdictKind: UInt16 = 9

  var exchanges = LuaHandleTable<Int>(kind: contextKind)
  var headers: [(String, String)] = [("accept", "a"), ("host", "h")]
  var printed: [String] = []
  var modules: [String: String] = [:]
  var received: [LuaValue] = []
  var model = "m1"
  var reenter: (() -> HostCallStatus)?

  func install(in machine: LuaMachine) throws {
    try machine.register(path: "tide.echo", id: 0)
    try machine.register(path: "tide.limit.take", id: 1, coroutineOnly: true)
    try machine.register(path: "tide.deny", id: 2)
    try machine.register(path: "tide.fails", id: 3)
    try machine.register(path: "tide.keep", id: 4, options: .takesFunctions)
    try machine.register(path: "tide.raises", id: 5)
    try machine.register(path: "tide.wait", id: 6, coroutineOnly: true)
    try machine.register(path: "tide.reenter", id: 8)
    try machine.register(path: "tide.spin", id: 9)
    try machine.register(path: "tide.copy", id: 12)
    try machine.registerCopy(id: 7, refusal: "a copy of seven is read-only: write seven instead")
    try machine.register(path: "tide.version", value: .text("1.0"))
    try machine.registerKind(Self.contextKind, name: "ctx")
    try machine.registerFields(kind: Self.contextKind, names: ["model", "headers", "id"])
    try machine.registerMethod(kind: Self.contextKind, name: "each", id: 10)
    try machine.registerKind(Self.headersKind, name: "headers", hasDynamicKeys: true)
  }

  override func call(_ id: Int32, arguments: LuaArguments, results: inout LuaResults) -> HostCallStatus {
    switch id {
    case 0:
      for index in 0..<arguments.count {
        received.append(arguments[index].value)
        results.append(arguments[index].value)
      }
    case 1: results.append(Int64(1))
    case 2: results.append(LuaOpaque(kind: Self.verdictKind, id: UInt32(arguments[0].integer ?? 0)))
    case 3: return .returnsNilError(code: "busy", message: "try later", retryAfter: 2)
    case 4: received.append(arguments[0].value)
    case 5: return .raise("bad thing")
    case 6: return .yield
    case 8: return reenter?() ?? .ok
    case 9: while machine?.isStopping == false {}
    case 10:
      guard let object = arguments[0].object, exchanges[object] != nil else { return .stale }
      results.append(function: 11, boundTo: object)
    case 11:
      guard let object = arguments[0].object, let count = exchanges[object], count > 0 else { return .ok }
      exchanges.replace(object, with: count - 1)
      results.append(Int64(count))
    case 12: results.append(arguments[0].value, copyOf: 7)
    default: return .raise("no function \(id)")
    }
    return .ok
  }

  override func get(_ object: LuaHandle, field: Int32, results: inout LuaResults) -> HostCallStatus {
    guard exchanges[object] != nil else { return .stale }
    switch field {
    case 0: results.append(model)
    case 1: results.append(LuaHandle(kind: Self.headersKind, slot: object.slot, generation: object.generation))
    default: break
    }
    return .ok
  }

  override func set(_ object: LuaHandle, field: Int32, value: LuaArgumentView) -> HostCallStatus {
    guard exchanges[object] != nil else { return .stale }
    guard field == 0, let text = value.text else { return .raise("ctx.id is read-only") }
    model = text
    return .ok
  }

  override func get(_ object: LuaHandle, key: LuaArgumentView, results: inout LuaResults) -> HostCallStatus {
    if let header = headers.first(where: { $0.0 == key.text }) { results.append(header.1) }
    return .ok
  }

  override func set(_ object: LuaHandle, key: LuaArgumentView, value: LuaArgumentView) -> HostCallStatus {
    headers.append((key.text ?? "", value.text ?? ""))
    return .ok
  }

  override func next(_ object: LuaHandle, after key: LuaArgumentView, results: inout LuaResults) -> HostCallStatus {
    let index = key.isNil ? 0 : (headers.firstIndex { $0.0 == key.text } ?? headers.count) + 1
    guard index < headers.count else { return .ok }
    results.append(headers[index].0)
    results.append(headers[index].1)
    return .ok
  }

  override func length(of object: LuaHandle, results: inout LuaResults) -> HostCallStatus {
    results.append(headers.count)
    return .ok
  }

  override func unknownField(_ name: String, of object: LuaHandle, isWrite: Bool) -> String {
    "ctx.\(name) does not exist; did you mean ctx.model?"
  }

  override func module(named name: String, environment: Int32) -> Result<LuaModule, LuaModuleMissing> {
    guard environment == 7, let source = modules[name] else {
      return .failure(LuaModuleMissing("module '\(name)' not found in lib"))
    }
    return .success(LuaModule(source: Array(source.utf8), chunkName: "lib/\(name).lua"))
  }

  override func print(_ text: UnsafeRawBufferPointer) { printed.append(String(decoding: text, as: UTF8.self)) }
}

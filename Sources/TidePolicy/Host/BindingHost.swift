import TideCore
import TideDialects
import TideLua

/// What one binding's machine asks of the program: host functions, the fields of `ctx`, modules.
///
/// Owned by one worker, like its machine, and outlives it: after an abort a new machine gets the same host.
final class BindingHost: LuaHost {
  /// Kinds of host objects. The groups of `ctx` share the context's slot and generation.
  enum ObjectKind: UInt16, CaseIterable {
    case context = 1, client, auth, request, requestHeaders, params, prompt, route, response, responseHeaders, usage
    case loop, part, lane, null, pattern, search, filters
  }

  /// Kinds of values that Lua carries without reading them.
  static let verdictKind: UInt16 = 1
  static let secretKind: UInt16 = 2
  static let filterKind: UInt16 = 3
  /// `tide.json.null`: an object, since those are equal by what they name.
  static let null = LuaHandle(kind: ObjectKind.null.rawValue, slot: 0, generation: 0)

  let binding: BoundPolicy
  let services: PolicyHostServices
  let store: SharedStore
  /// Keeps limits where gateways share them; nil where they are the process's own.
  var limits: LimitStore?
  /// Whose limits they are, the same in every gateway.
  let owner: String
  let sharedSpace: SharedStore.Space
  let limitSpace: SharedStore.Space
  let budgetSpace: SharedStore.Space

  /// The hook that runs; `.onLoad` while there is none.
  var hook = HookName.onLoad
  /// The exchange whose hook runs.
  unowned(unsafe) var current: ExchangeContext?
  var contexts = LuaHandleTable<ExchangeContext>(kind: ObjectKind.context.rawValue)
  var loops = LuaHandleTable<TextLoop>(kind: ObjectKind.loop.rawValue)
  var parts = LuaHandleTable<TextPart>(kind: ObjectKind.part.rawValue)
  /// Loops and parts of the hook that runs; they end with it.
  var loopHandles: [LuaHandle] = []
  var partHandles: [LuaHandle] = []
  var secrets: [Secret] = []
  /// What `tide.filter` has made in this machine.
  var filters: [MadeFilter] = []
  /// `ctx.vars` of the exchange whose hook runs, where the policy uses it.
  var variables: LuaRef?

  /// Verdicts made at load time stay; others end with their hook.
  private var lastingVerdicts: [Verdict] = []
  /// Of the hook that runs, by their ids.
  var verdicts: [(id: UInt32, verdict: Verdict)] = []
  /// Never used twice in one machine.
  private var nextVerdictID: UInt32 = 0
  /// What the coroutine that just yielded waits for.
  var wanted: HookWish?
  /// What `tide.once` runs and remembers.
  let flights = FlightTable()
  private var globs: [String: Glob] = [:]
  /// Keys of web tokens, made once.
  var signatureKeys: [KeyMaterial: any SignatureKey] = [:]
  var patterns: PatternTable
  /// Loops of `gmatch` in the hook that runs; they end with it.
  var searches = LuaHandleTable<PatternSearch>(kind: ObjectKind.search.rawValue)
  var searchHandles: [LuaHandle] = []
  /// Text that they hold.
  var searchBytes = 0
  /// Of `tide.uuid("v7")`.
  var lastOrderedID = OrderedIDClock()

  init(binding: BoundPolicy, services: PolicyHostServices, store: SharedStore) {
    self.binding = binding
    self.services = services
    self.store = store
    owner = binding.share.map { "share:" + $0 } ?? "binding:" + binding.name
    sharedSpace = store.space("shared/" + owner)
    limitSpace = store.space("limit/" + owner)
    budgetSpace = store.space("budget/" + owner)
    patterns = Self.emptyPatterns(binding)
    super.init()
  }

  /// Half of the binding's memory for the programs, half for what matching leaves.
  private static func emptyPatterns(_ binding: BoundPolicy) -> PatternTable {
    PatternTable(kind: ObjectKind.pattern.rawValue, bytesMax: binding.manifest.budgets.memory / 2)
  }

  // MARK: The life of a machine and of a hook

  func machineBegins() {
    hook = .onLoad
    current = nil
    lastingVerdicts = []
    verdicts = []
    nextVerdictID = 0
    secrets = []
    patterns = Self.emptyPatterns(binding)
    endSearches()
    filters = []
  }

  /// Loading is over: verdicts made from now on belong to a hook.
  func machineLoaded() {
    nextVerdictID = UInt32(truncatingIfNeeded: lastingVerdicts.count)
    endSearches()
  }

  private func endSearches() {
    for handle in searchHandles { searches.remove(handle) }
    searchHandles.removeAll(keepingCapacity: true)
    searchBytes = 0
  }

  func hookBegins(_ hook: HookName, _ context: ExchangeContext?, variables: LuaRef?) {
    self.hook = hook
    self.variables = variables
    current = context
  }

  func hookEnded() {
    if !verdicts.isEmpty { verdicts.removeAll(keepingCapacity: true) }
    if wanted != nil { forgetWish() }
    if !loopHandles.isEmpty || !partHandles.isEmpty {
      for handle in loopHandles { loops.remove(handle) }
      for handle in partHandles { parts.remove(handle) }
      loopHandles.removeAll(keepingCapacity: true)
      partHandles.removeAll(keepingCapacity: true)
    }
    if !searchHandles.isEmpty { endSearches() }
    current = nil
    variables = nil
  }

  func verdict(_ opaque: LuaOpaque) -> Verdict? {
    guard opaque.kind == Self.verdictKind else { return nil }
    if Int(opaque.id) < lastingVerdicts.count { return lastingVerdicts[Int(opaque.id)] }
    return verdicts.first { $0.id == opaque.id }?.verdict
  }

  func keep(_ verdict: Verdict) -> LuaOpaque {
    if hook == .onLoad {
      lastingVerdicts.append(verdict)
      return LuaOpaque(kind: Self.verdictKind, id: UInt32(truncatingIfNeeded: lastingVerdicts.count - 1))
    }
    verdicts.append((nextVerdictID, verdict))
    nextVerdictID &+= 1
    return LuaOpaque(kind: Self.verdictKind, id: nextVerdictID &- 1)
  }

  func hide(_ secret: Secret) -> LuaOpaque {
    secrets.append(secret)
    return LuaOpaque(kind: Self.secretKind, id: UInt32(truncatingIfNeeded: secrets.count - 1))
  }

  func glob(_ pattern: String) -> Glob {
    if let known = globs[pattern] { return known }
    if globs.count >= 256 { globs.removeAll(keepingCapacity: true) }
    let glob = Glob(pattern)
    globs[pattern] = glob
    return glob
  }

  func log(_ level: PolicyLogEntry.Level, _ message: String, _ fields: [PolicyLogEntry.Field] = []) {
    services.log(
      PolicyLogEntry(
        level: level, binding: binding.name, hook: current == nil ? "" : hook.name, exchangeID: current?.id ?? "",
        message: message, fields: fields))
  }

  // MARK: Modules and printing

  override func module(named name: String, environment: Int32) -> Result<LuaModule, LuaModuleMissing> {
    guard let module = binding.source.modules[name] else {
      return .failure(LuaModuleMissing("there is no module \(name) in the policy's lib folder"))
    }
    return .success(LuaModule(source: module.text, chunkName: module.path))
  }

  override func print(_ text: UnsafeRawBufferPointer) { log(.info, String(decoding: text, as: UTF8.self)) }

  // MARK: What Lua asks

  override func call(_ id: Int32, arguments: LuaArguments, results: inout LuaResults) -> HostCallStatus {
    run(id, arguments, &results)
  }

  override func get(_ object: LuaHandle, field: Int32, results: inout LuaResults) -> HostCallStatus {
    read(object, field: field, results: &results)
  }

  override func set(_ object: LuaHandle, field: Int32, value: LuaArgumentView) -> HostCallStatus {
    write(object, field: field, value: value)
  }

  override func get(_ object: LuaHandle, key: LuaArgumentView, results: inout LuaResults) -> HostCallStatus {
    read(object, key: key, results: &results)
  }

  override func set(_ object: LuaHandle, key: LuaArgumentView, value: LuaArgumentView) -> HostCallStatus {
    refuseWrite(object)
  }

  override func next(_ object: LuaHandle, after key: LuaArgumentView, results: inout LuaResults) -> HostCallStatus {
    nextHeader(object, after: key, results: &results)
  }

  override func unknownField(_ name: String, of object: LuaHandle, isWrite: Bool) -> String {
    messageForUnknown(name, of: object)
  }
}

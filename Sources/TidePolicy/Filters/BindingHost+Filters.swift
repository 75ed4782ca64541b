import TideCore
import TideDialects
import TideLua

/// `tide.filter`, `ctx.filters` and `ctx.prompt:mask`.
extension BindingHost {
  /// A filter and what is asked about its matches.
  struct MadeFilter {
    var filter: DeclaredFilter
    var onMatch: LuaFunction?
  }

  // MARK: Declaring

  func makeFilter(
    _ function: HostFunction, _ arguments: LuaArguments, _ results: inout LuaResults
  ) throws(HostError) {
    let name = function.path.map { String($0.dropFirst("tide.filter.".count)) } ?? ""
    guard hook == .onLoad else {
      throw HostError("tide.filter.\(name) belongs in the policy's filters, not in \(hook.name)")
    }
    let options = arguments[0].value
    var callback: LuaFunction?
    if case .function(let function)? = options["on_match"] { callback = function }
    let filter = try FilterReader.read(name, PolicyValue(options), hasCallback: callback != nil)
    filters.append(MadeFilter(filter: filter, onMatch: callback))
    results.append(LuaOpaque(kind: Self.filterKind, id: UInt32(truncatingIfNeeded: filters.count - 1)))
  }

  /// The filters of a policy's table, its function called with `cfg`.
  func declaredFilters(
    _ written: LuaValue?, _ machine: LuaMachine, config: LuaRef
  ) throws(LuaFailure) -> [MadeFilter] {
    guard binding.hooks.contains(.filters), var list = written else { return [] }
    func failure(_ message: String) -> LuaFailure {
      LuaFailure(kind: .error, message: message, file: binding.source.path)
    }
    if case .function(let function) = list {
      switch machine.call(
        function, arguments: [.reference(config)], budgetNs: binding.manifest.budgets.cpu(.onLoad))
      {
      case .returned(let value): list = value
      case .failed(let problem): throw problem
      case .yielded(let token):
        machine.cancel(token)
        throw failure("filters cannot wait")
      }
    }
    guard case .array(let elements) = list else {
      throw failure("filters must be a list, or a function of cfg that returns one, not a \(list.typeName)")
    }
    var result: [MadeFilter] = []
    for (index, element) in elements.enumerated() {
      guard case .opaque(let opaque) = element, opaque.kind == Self.filterKind, Int(opaque.id) < filters.count else {
        throw failure(
          "filters[\(index + 1)] is a \(element.typeName); make it with tide.filter.mask, replace, restore, block or limit"
        )
      }
      result.append(filters[Int(opaque.id)])
    }
    if let program = binding.filters, program.declared != result.map(\.filter) {
      throw failure("filters gave another list than before; it must depend on cfg alone")
    }
    return result
  }

  // MARK: ctx.filters

  func changeFilters(_ function: HostFunction, _ arguments: LuaArguments) throws(HostError) -> HostCallStatus {
    guard let object = arguments[0].object, object.kind == ObjectKind.filters.rawValue else {
      throw HostError("call methods of ctx.filters with a colon")
    }
    guard let context = context(object) else { return .stale }
    guard let program = binding.filters else { throw HostError("ctx.filters: this policy declares no filters") }
    guard hook < .onLane else {
      throw HostError("ctx.filters can be changed until the first text of the answer, not in \(hook.name)")
    }
    let all = program.declared.indices.reduce(UInt64(0)) { $0 | 1 << UInt64($1) }
    let method = function == .disableFilters ? "ctx.filters:disable" : "ctx.filters:set"
    guard arguments[2].isNil else { throw HostError("\(method) takes one list: " + Self.filterUsage(method, program)) }
    let named = try places(arguments[1], program, method)
    var state = context.filterStates[binding.index] ?? FilterState()
    if function == .disableFilters {
      state.disabled |= named ?? all
    } else {
      guard let named else {
        throw HostError("\(method) takes a list of the filters that are to run: " + Self.filterUsage(method, program))
      }
      state.disabled = all & ~named
    }
    context.filterStates[binding.index] = state
    return .ok
  }

  private static func filterUsage(_ method: String, _ program: FilterProgram) -> String {
    "\(method) { \(program.declared.map { "\"\($0.name)\"" }.joined(separator: ", ")) }"
  }

  /// The filters of these names, a bit each; nil where none were named.
  private func places(
    _ argument: LuaArgumentView, _ program: FilterProgram, _ method: String
  ) throws(HostError) -> UInt64? {
    let value = PolicyValue(argument.value)
    if value == .null { return nil }
    guard let names = value.text.map({ [PolicyValue.string($0)] }) ?? value.elements else {
      let what = value.entries.map { $0.isEmpty ? "a table" : "a table with the key \($0[0].key)" } ?? value.kind
      throw HostError("\(method) takes a list of names, not \(what): " + Self.filterUsage(method, program))
    }
    var bits: UInt64 = 0
    for name in names {
      let found = program.declared.indices.filter { program.declared[$0].name == name.text }
      guard !found.isEmpty else {
        let shown = SchemaField.show(name)
        throw HostError(
          "\(method): this policy has no filter \(shown)"
            + SchemaReader.suggestion(shown, program.declared.map(\.name)) + "; there are "
            + program.declared.map(\.name).joined(separator: ", "))
      }
      for place in found { bits |= 1 << UInt64(place) }
    }
    return bits
  }

  // MARK: ctx.prompt:mask

  /// Puts placeholders in the place of finds and returns how many there were.
  func maskPrompt(_ arguments: LuaArguments, _ results: inout LuaResults) throws(HostError) -> HostCallStatus {
    guard let object = arguments[0].object, object.kind == ObjectKind.prompt.rawValue else {
      throw HostError("call methods of ctx.prompt with a colon")
    }
    guard let context = context(object), let chat = context.chat else { return .stale }
    guard hook == .onRequest else { throw HostError("ctx.prompt is read-only in \(hook.name)") }
    let options = PolicyValue(arguments[1].value)
    let known = ["kinds", "roles", "map"]
    for entry in options.entries ?? [] where !known.contains(entry.key) {
      throw HostError("ctx.prompt:mask: unknown option \(entry.key)" + SchemaReader.suggestion(entry.key, known))
    }
    let kinds = try FilterReader.kinds(options["kinds"], "ctx.prompt:mask")
    var roles: [String]?
    if let written = options["roles"] {
      guard let names = written.elements else { throw HostError("ctx.prompt:mask: roles must be a list of strings") }
      roles = names.compactMap(\.text)
    }
    if let written = options["map"], written.text == nil {
      throw HostError("ctx.prompt:mask: map must be a string, not \(written.kind)")
    }
    let name = options["map"]?.text
    var map = name.flatMap { context.filterStates[binding.index]?.maps[$0] } ?? PlaceholderMap()
    for (index, message) in chat.messages.enumerated() {
      for part in 0..<message.textPartCount {
        chat.text(message: index, part: part).withUnsafeBytes { map.reserve($0) }
      }
      chat.eachArgument(message: index) { map.reserve($0) }
    }
    var count = 0
    func mask(_ text: UnsafeRawBufferPointer, into out: inout ByteQueue) -> Int {
      let found = EntityFinder.replace(kinds, in: text, into: &out) { kind, value, out in
        out.append(map.placeholder(kind, for: value))
      }
      count += found
      return found
    }
    for (index, message) in chat.messages.enumerated() {
      for part in 0..<message.textPartCount where roles?.contains(message.role(ofPart: part)) ?? true {
        var masked = ByteQueue()
        let found = chat.text(message: index, part: part).withUnsafeBytes { mask($0, into: &masked) }
        if found > 0 { chat.setMessageText(message: index, part: part, masked.readableBytes) }
      }
      // Calls that the model made hold the originals, which the client got.
      guard roles?.contains(message.role) ?? true else { continue }
      chat.changeArguments(message: index) { if mask($0, into: &$1) == 0 { $1.append($0) } }
    }
    if let name { context.filterStates[binding.index, default: FilterState()].maps[name] = map }
    results.append(count)
    return .ok
  }
}

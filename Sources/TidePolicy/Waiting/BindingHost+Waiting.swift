import TideCore
import TideLua

/// The host functions that wait: each checks its arguments, says what it wants, and yields.
extension BindingHost {
  /// Calls that one `tide.all` makes at once.
  static let callsMax = 8
  static let onceTTLMaxMs = 3_600_000

  func wait(
    _ function: HostFunction, _ arguments: LuaArguments, _ results: inout LuaResults
  ) throws(HostError) -> HostCallStatus {
    let name = function.path ?? ""
    guard binding.mayWait(hook) else {
      throw HostError(
        hook == .onLoad
          ? "\(name) waits, which the loading of a file and on_load cannot"
          : hook == .onSegment
            ? "\(name) waits, which on_segment can only with segment = { wait = true }"
            : "\(name) waits, which \(hook.name) cannot")
    }
    switch function {
    case .sleep: wanted = .sleep(ms: try VerdictReader.milliseconds(PolicyValue(arguments[0].value), name))
    case .http: wanted = .fetch(try fetchRequest(arguments[0]))
    case .all: wanted = .all(try functions(arguments[0].value))
    default: return try once(arguments, &results)
    }
    return .yield
  }

  private func functions(_ value: LuaValue) throws(HostError) -> [LuaFunction] {
    var functions: [LuaFunction] = []
    var isSound = true
    if case .array(let elements) = value {
      for element in elements {
        if case .function(let function) = element { functions.append(function) } else { isSound = false }
      }
    } else {
      isSound = false
    }
    if isSound, !functions.isEmpty, functions.count <= Self.callsMax { return functions }
    machine?.releaseFunctions(in: value)
    throw HostError("tide.all: expected a list of 1 to \(Self.callsMax) functions")
  }

  private func once(_ arguments: LuaArguments, _ results: inout LuaResults) throws(HostError) -> HostCallStatus {
    let function = arguments[2].function
    do throws(HostError) {
      guard let key = arguments[0].text, key.utf8.count <= 1_024 else {
        throw HostError("tide.once: the key must be a string of at most 1024 bytes")
      }
      let ttlMs = try VerdictReader.milliseconds(PolicyValue(arguments[1].value), "tide.once: ttl")
      guard ttlMs <= Self.onceTTLMaxMs else { throw HostError("tide.once: ttl must be at most 1h") }
      guard let function else { throw HostError("tide.once: expected a key, a duration and a function") }
      if let known = flights.value(key, now: services.now()) {
        machine?.release(function)
        results.append(known)
        return .ok
      }
      wanted = .once(key: key, ttlMs: ttlMs, function)
      return .yield
    } catch {
      if let function { machine?.release(function) }
      throw error
    }
  }
}

import TideCore
import TideLua

/// The host functions under `tide`.
extension BindingHost {
  func run(_ id: Int32, _ arguments: LuaArguments, _ results: inout LuaResults) -> HostCallStatus {
    guard let function = HostFunction(rawValue: id) else { return .raise("this function is not available here") }
    do throws(HostError) {
      return try run(function, arguments, &results)
    } catch {
      return .raise(error.message)
    }
  }

  private func run(
    _ function: HostFunction, _ arguments: LuaArguments, _ results: inout LuaResults
  ) throws(HostError) -> HostCallStatus {
    switch function {
    case .deny:
      let verdict = try VerdictReader.deny(
        status: PolicyValue(arguments[0].value), options: PolicyValue(arguments[1].value))
      results.append(keep(verdict))
    case .respond: results.append(keep(try VerdictReader.respond(PolicyValue(arguments[0].value))))
    case .cut: results.append(keep(try VerdictReader.cut(PolicyValue(arguments[0].value))))
    case .identity: results.append(keep(try VerdictReader.identity(PolicyValue(arguments[0].value))))
    case .retry: results.append(keep(try VerdictReader.retry(PolicyValue(arguments[0].value))))
    case .tool: results.append(keep(try VerdictReader.tool(PolicyValue(arguments[0].value))))
    case .sleep, .http, .all, .once: return try wait(function, arguments, &results)
    case .sharedGet:
      put(store.get(sharedSpace, try storeKey(arguments[0], "tide.shared"), now: services.now()), &results)
    case .sharedSet, .sharedIncrement, .sharedCompareAndSet, .sharedDelete:
      return try change(function, arguments, &results)
    case .limitTake: return try take(arguments, &results)
    case .limitTokens: return try reserveTokens(arguments, &results)
    case .limitConcurrent: return try takePlace(arguments, &results)
    case .jsonEncode: results.append(try JSONText.encode(PolicyValue(arguments[0].value)))
    case .jsonDecode:
      guard let text = arguments[0].bytes else { throw HostError("tide.json.decode: expected a string") }
      do throws(HostError) {
        results.append(try JSONText.decode(text).luaValue(hide: hide))
      } catch {
        return .returnsNilError(code: "bad_json", message: error.message)
      }
    case .sha256:
      results.append(Self.hex(services.sha256(try boundedText(arguments[0], "tide.sha256"))))
    case .hmac: results.append(try hmac(arguments))
    case .base64Encode: try encodeBase64(arguments, &results)
    case .base64Decode: return try decodeBase64(arguments, &results)
    case .uuid: try makeUUID(arguments, &results)
    case .glob: results.append(try matchGlob(arguments))
    case .regex: try makePattern(arguments, &results)
    case .regexTest: return try testPattern(arguments, &results)
    case .regexFind: return try findPattern(arguments, &results, tellsPlace: true)
    case .regexMatch: return try findPattern(arguments, &results, tellsPlace: false)
    case .regexLoop: return try loopOverPattern(arguments, &results)
    case .regexNext: return nextOfPattern(arguments, &results)
    case .regexReplace: return try replacePattern(arguments, &results)
    case .jwtVerify: return try verifyToken(arguments, &results)
    case .metricsIncrement: try count(arguments)
    case .metricsObserve: try observe(arguments)
    case .log: try log(arguments, from: 0)
    case .now: results.append(services.wallClockMs())
    case .filterMask, .filterReplace, .filterRestore, .filterBlock, .filterLimit:
      try makeFilter(function, arguments, &results)
    case .disableFilters, .setFilters: return try changeFilters(function, arguments)
    case .maskPrompt: return try maskPrompt(arguments, &results)
    case .contextLog: try log(arguments, from: 1)
    case .eachText: return try eachText(arguments, &results)
    case .nextText: return nextText(arguments, &results)
    case .appendMessage, .insertMessage, .removeMessage, .replaceMessage:
      return try changeMessages(function, arguments)
    }
    return .ok
  }

  // MARK: tide.shared

  func storeKey(_ argument: LuaArgumentView, _ function: String) throws(HostError) -> String {
    if let number = argument.integer { return "\(number)" }
    guard let bytes = argument.bytes else { throw HostError("\(function): the key must be a string") }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw HostError("\(function): the key must be UTF-8")
    }
    return text
  }

  private func sharedValue(_ argument: LuaArgumentView) throws(HostError) -> SharedStore.Value {
    if let flag = argument.boolean { return .boolean(flag) }
    if let number = argument.integer { return .integer(Int(number)) }
    if let number = argument.number { return .number(number) }
    if let bytes = argument.bytes { return .bytes(Array(bytes)) }
    throw HostError("tide.shared: keeps strings, numbers and booleans; encode a table with tide.json.encode")
  }

  private func timeToLive(_ options: LuaArgumentView) throws(HostError) -> Int? {
    guard let written = try VerdictReader.fields(PolicyValue(options.value), "tide.shared", ["ttl"]).first else {
      return nil
    }
    return try VerdictReader.milliseconds(written.value, "tide.shared: ttl")
  }

  private func put(_ value: SharedStore.Value?, _ results: inout LuaResults) {
    switch value {
    case nil: results.appendNil()
    case .integer(let number)?: results.append(number)
    case .number(let number)?: results.append(number)
    case .boolean(let flag)?: results.append(flag)
    case .bytes(let bytes)?: results.append(bytes)
    case .ledger?: results.appendNil()
    }
  }

  private func change(
    _ function: HostFunction, _ arguments: LuaArguments, _ results: inout LuaResults
  ) throws(HostError) -> HostCallStatus {
    let key = try storeKey(arguments[0], "tide.shared")
    let now = services.now()
    do {
      switch function {
      case .sharedSet where arguments[1].isNil: store.delete(sharedSpace, key)
      case .sharedSet:
        try store.set(
          sharedSpace, key, sharedValue(arguments[1]), ttlMs: timeToLive(arguments[2]), now: now)
        results.append(true)
      case .sharedIncrement:
        guard let amount = arguments[1].isNil ? 1 : arguments[1].integer else {
          throw HostError("tide.shared.incr: the amount must be an integer")
        }
        results.append(
          try store.increment(
            sharedSpace, key, by: Int(amount), ttlMs: timeToLive(arguments[2]), now: now))
      case .sharedCompareAndSet:
        let expected = arguments[1].isNil ? nil : try sharedValue(arguments[1])
        let value = arguments[2].isNil ? nil : try sharedValue(arguments[2])
        results.append(
          try store.compareAndSet(
            sharedSpace, key, expected: expected, value, ttlMs: timeToLive(arguments[3]), now: now))
      default: store.delete(sharedSpace, key)
      }
      return .ok
    } catch let error as SharedStore.StoreError {
      return .returnsNilError(code: error == .full ? "store_full" : "bad_value", message: error.message)
    } catch let error as HostError {
      throw error
    } catch {
      throw HostError("tide.shared failed")
    }
  }

  // MARK: tide.limit

  private func take(_ arguments: LuaArguments, _ results: inout LuaResults) throws(HostError) -> HostCallStatus {
    let key = try storeKey(arguments[0], "tide.limit.take")
    guard let amount = arguments[1].isNil ? 1 : arguments[1].integer, amount >= 0 else {
      throw HostError("tide.limit.take: the amount must be an integer from 0")
    }
    let options = PolicyValue(arguments[2].value)
    _ = try VerdictReader.fields(options, .limitTake)
    guard let rate = options["rate"]?.wholeNumber, let per = options["per"] else {
      throw HostError("tide.limit.take: needs { rate = a whole number, per = a duration }")
    }
    let perMs = try VerdictReader.milliseconds(per, "tide.limit.take: per")
    let burst = try options["burst"].map { written throws(HostError) in
      guard let number = written.wholeNumber else {
        throw HostError("tide.limit.take: burst must be a whole number above 0, not \(SchemaField.show(written))")
      }
      return number
    }
    guard let limit = RateLimit(rate: rate, perMs: perMs, burst: burst) else {
      throw HostError("tide.limit.take: rate, per and burst must be positive and of a sensible size")
    }
    if limits != nil {
      guard key.utf8.count <= SharedStore.keyBytesMax else { return Self.keyTooLong }
      wanted = .limit(LimitWish(operation: .take(LimitKey(owner: owner, text: key), amount: Int(amount), limit)))
      return .yield
    }
    do throws(SharedStore.StoreError) {
      let decision = try store.take(limitSpace, key, amount: Int(amount), limit: limit, now: services.now())
      var entries: [(key: LuaValue, value: LuaValue)] = [
        (.text("ok"), .boolean(decision.isAllowed)), (.text("remaining"), .integer(Int64(decision.remaining))),
      ]
      if let wait = decision.retryAfterMs { entries.append((.text("retry_after"), .integer(Int64(wait)))) }
      results.append(LuaValue.map(entries))
      return .ok
    } catch {
      return .returnsNilError(code: error == .full ? "store_full" : "bad_value", message: error.message)
    }
  }

  // MARK: Digests and logs

  private func hmac(_ arguments: LuaArguments) throws(HostError) -> String {
    let text = try boundedText(arguments[1], "tide.hmac")
    if let opaque = arguments[0].opaque, opaque.kind == Self.secretKind, Int(opaque.id) < secrets.count {
      var key = secrets[Int(opaque.id)].reveal()
      return key.withUTF8 { Self.hex(services.hmac(UnsafeRawBufferPointer($0), text)) }
    }
    guard let key = arguments[0].bytes, key.count <= Self.textByteCountMax else {
      throw HostError("tide.hmac: the key must be a secret or a string of at most 1 MiB")
    }
    return Self.hex(services.hmac(key, text))
  }

  static func hex(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }

  /// Comparing takes a step for each byte of the text and of the pattern, multiplied, at the worst.
  private static let globStepsMax = 4 << 20
  private static let globByteCountMax = 4 << 10

  private func matchGlob(_ arguments: LuaArguments) throws(HostError) -> Bool {
    guard let pattern = arguments[0].bytes, let text = arguments[1].bytes else {
      throw HostError("tide.glob: expected a pattern and a text")
    }
    guard pattern.count <= Self.globByteCountMax, text.count * max(1, pattern.count) <= Self.globStepsMax else {
      throw HostError("tide.glob: the pattern or the text is too long")
    }
    return glob(String(decoding: pattern, as: UTF8.self)).matches(text)
  }

  private static let logFieldsMax = 32
  private static let logNameByteCountMax = 64
  private static let logValueByteCountMax = 1 << 10

  private func log(_ arguments: LuaArguments, from first: Int) throws(HostError) {
    let function = first == 0 ? "tide.log" : "ctx:log"
    let levels = PolicyLogEntry.Level.allCases.map(\.rawValue)
    let name = arguments[first].text
    guard let level = name.flatMap({ PolicyLogEntry.Level(rawValue: $0 == "warn" ? "warning" : $0) }) else {
      // A text alone is a message whose level was forgotten.
      if arguments[first + 1].isNil {
        throw HostError("\(function): the level comes first, then the message: \(function)(\"info\", \"...\")")
      }
      let shown = name.map { ", not \($0.prefix(64))" + SchemaReader.suggestion($0, levels) } ?? ""
      throw HostError("\(function): the level must be one of \(levels.joined(separator: ", "))\(shown)")
    }
    guard let message = arguments[first + 1].text else {
      throw HostError("\(function): the message must be a string: \(function)(\"\(level.rawValue)\", \"...\")")
    }
    guard arguments[first + 2].isNil || arguments[first + 2].isTable else {
      throw HostError("\(function): fields must be a table of names and values")
    }
    let entries = PolicyValue(arguments[first + 2].value).entries ?? []
    guard entries.count <= Self.logFieldsMax else {
      throw HostError("\(function): at most \(Self.logFieldsMax) fields")
    }
    var fields: [PolicyLogEntry.Field] = []
    for entry in entries.sorted(by: { $0.key < $1.key }) {
      let value: String =
        switch entry.value {
        case .array, .map: try JSONText.encode(entry.value)
        default: SchemaField.show(entry.value)
        }
      fields.append(
        PolicyLogEntry.Field(
          name: Self.cut(entry.key, toByteCount: Self.logNameByteCountMax),
          value: Self.cut(value, toByteCount: Self.logValueByteCountMax)))
    }
    log(level, message, fields)
  }
}

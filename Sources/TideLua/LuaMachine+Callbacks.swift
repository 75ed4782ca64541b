import CLuaShim

/// The one function through which Lua asks its host. It returns a status; C raises after it has returned.
let luaHostDispatch: tide_host = { context, operation, id, arguments, count, results in
  guard let context, let results else { return Int32(TIDE_HOST_OK.rawValue) }
  let machine = Unmanaged<LuaMachine>.fromOpaque(context).takeUnretainedValue()
  return machine.dispatch(operation, id, LuaArguments(base: arguments, count: Int(count)), results)
}

extension LuaMachine {
  fileprivate func dispatch(
    _ operation: Int32, _ id: Int32, _ arguments: LuaArguments, _ buffer: UnsafeMutablePointer<tide_buffer>
  ) -> Int32 {
    var results = LuaResults(buffer: buffer)
    let status: HostCallStatus
    switch TideOperation(UInt32(operation)) {
    case TIDE_OP_CALL: status = host.call(id, arguments: arguments, results: &results)
    case TIDE_OP_PRINT:
      if let text = arguments[0].bytes { host.print(text) }
      status = .ok
    case TIDE_OP_MODULE:
      switch host.module(named: arguments[0].text ?? "", environment: id) {
      case .success(let module):
        results.append(module.source)
        results.append(module.chunkName)
        status = .ok
      case .failure(let missing): status = .raise(missing.message)
      }
    default:
      guard let object = arguments[0].object else { return answer(.raise("no such object"), buffer) }
      status = access(operation, id, object, arguments, &results)
    }
    return answer(status, buffer)
  }

  private func access(
    _ operation: Int32, _ id: Int32, _ object: LuaHandle, _ arguments: LuaArguments, _ results: inout LuaResults
  ) -> HostCallStatus {
    switch TideOperation(UInt32(operation)) {
    case TIDE_OP_GET: return host.get(object, field: id, results: &results)
    case TIDE_OP_SET: return host.set(object, field: id, value: arguments[1])
    case TIDE_OP_GET_KEY: return host.get(object, key: arguments[1], results: &results)
    case TIDE_OP_SET_KEY: return host.set(object, key: arguments[1], value: arguments[2])
    case TIDE_OP_NEXT: return host.next(object, after: arguments[1], results: &results)
    case TIDE_OP_LENGTH: return host.length(of: object, results: &results)
    case TIDE_OP_UNKNOWN:
      let name = arguments[1].text ?? arguments[1].typeName
      return .raise(host.unknownField(name, of: object, isWrite: id == 1))
    default: return .raise("unknown request")
    }
  }

  private func answer(_ status: HostCallStatus, _ buffer: UnsafeMutablePointer<tide_buffer>) -> Int32 {
    switch status {
    case .ok: return Int32(TIDE_HOST_OK.rawValue)
    case .stale: return Int32(TIDE_HOST_STALE.rawValue)
    case .yield: return Int32(TIDE_HOST_YIELD.rawValue)
    case .raise(let message):
      replace(buffer, with: .text(message))
      return Int32(TIDE_HOST_RAISE.rawValue)
    case .returnsNilError(let code, let message, let retryAfter):
      var entries: [(key: LuaValue, value: LuaValue)] = [
        (.text("code"), .text(code)), (.text("message"), .text(message)),
      ]
      if let retryAfter { entries.append((.text("retry_after"), .number(retryAfter))) }
      replace(buffer, with: .map(entries))
      return Int32(TIDE_HOST_NIL_ERROR.rawValue)
    }
  }

  private func replace(_ buffer: UnsafeMutablePointer<tide_buffer>, with value: LuaValue) {
    buffer.pointee.length = 0
    buffer.pointee.count = 0
    var results = LuaResults(buffer: buffer)
    results.append(value)
  }
}

import TideCore
import TideLua

/// The argument of `tide.http` as a call that may be made.
extension BindingHost {
  private static let fetchKeys = HostFunction.http.optionKeys
  private static let methods: Set<String> = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

  func fetchRequest(_ argument: LuaArgumentView) throws(HostError) -> FetchRequest {
    guard case .map(let entries) = argument.value else {
      throw HostError("tide.http: expected a table such as { url = cfg.endpoint, json = { input = text } }")
    }
    var fields: [String: LuaValue] = [:]
    for entry in entries {
      let key = entry.key.text ?? ""
      guard Self.fetchKeys.contains(key) else {
        throw HostError("tide.http: unknown key \(key)" + SchemaReader.suggestion(key, Self.fetchKeys))
      }
      fields[key] = entry.value
    }
    let target = try target(fields)
    var headers = HeaderList()
    if let written = fields["headers"] {
      for (name, value) in try VerdictReader.headers(revealed(written), "tide.http") { headers.append(name, value) }
    }
    if let authorization = try authorization(fields["auth"]) { headers.set("authorization", authorization) }
    var body: [UInt8] = []
    if let json = fields["json"] {
      guard fields["body"] == nil else { throw HostError("tide.http: give body or json, not both") }
      body = Array(try JSONText.encode(PolicyValue(json), emptyIsMap: true).utf8)
      if !headers.contains("content-type") { headers.set("content-type", "application/json") }
    } else if let written = fields["body"] {
      guard case .string(let bytes) = written else { throw HostError("tide.http: body must be a string") }
      body = bytes
    }
    let method = try fields["method"].map { value throws(HostError) in
      guard let method = value.text, Self.methods.contains(method) else {
        throw HostError("tide.http: method must be one of \(Self.methods.sorted().joined(separator: ", "))")
      }
      return method
    }
    return FetchRequest(
      target: target, method: method ?? (fields["json"] == nil && fields["body"] == nil ? "GET" : "POST"),
      headers: headers, body: body,
      timeoutMs: try number(fields["timeout"], "timeout", FetchRequest.timeoutMsDefault, 1...60_000) {
        value throws(HostError) in try VerdictReader.milliseconds(value, "tide.http: timeout")
      },
      bodyBytesMax: try number(
        fields["max_body"], "max_body", FetchRequest.bodyBytesDefault, 0...FetchRequest.bodyBytesLimit
      ) {
        value throws(HostError) in
        guard let bytes = value.text.flatMap(UnitText.byteCount) ?? value.wholeNumber else {
          throw HostError("tide.http: max_body must be a size such as \"64KiB\"")
        }
        return bytes
      })
  }

  /// A table of headers, its secrets readable: they leave for a host that may be called, and no script sees them.
  private func revealed(_ headers: LuaValue) -> PolicyValue {
    guard case .map(let written) = headers, case .map(var entries) = PolicyValue(headers) else {
      return PolicyValue(headers)
    }
    for (index, entry) in written.enumerated() {
      if let secret = secret(entry.value) { entries[index].value = .string(secret.reveal()) }
    }
    return .map(entries)
  }

  /// What an opaque value of the configuration stands for; nil for anything else.
  private func secret(_ value: LuaValue?) -> Secret? {
    guard case .opaque(let opaque)? = value, opaque.kind == Self.secretKind, Int(opaque.id) < secrets.count else {
      return nil
    }
    return secrets[Int(opaque.id)]
  }

  private func number(
    _ value: LuaValue?, _ name: String, _ fallback: Int, _ range: ClosedRange<Int>,
    _ read: (PolicyValue) throws(HostError) -> Int
  ) throws(HostError) -> Int {
    guard let value else { return fallback }
    let number = try read(PolicyValue(value))
    guard range.contains(number) else {
      throw HostError("tide.http: \(name) must be from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  private func target(_ fields: [String: LuaValue]) throws(HostError) -> FetchRequest.Target {
    if let cluster = fields["cluster"] {
      guard fields["url"] == nil else { throw HostError("tide.http: give url, or cluster and path") }
      guard let name = cluster.text else { throw HostError("tide.http: cluster must be a string") }
      guard let path = fields["path"].map(\.text) ?? "/" else { throw HostError("tide.http: path must be a string") }
      guard path.hasPrefix("/"), path.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") }) else {
        throw HostError("tide.http: path must begin with / and be percent-encoded")
      }
      return .cluster(name, path: path)
    }
    guard let url = fields["url"] else { throw HostError("tide.http: give url, or cluster and path") }
    guard let text = url.text else { throw HostError("tide.http: url must be a string") }
    guard fields["path"] == nil else { throw HostError("tide.http: path goes with cluster; a url has its own") }
    switch FetchURL.parse(text) {
    case .failure(let problem): throw HostError("tide.http: \(problem.message)")
    case .success(let url):
      guard let reach = binding.permission.reach(url) else {
        throw HostError(
          "tide.http: \(url.host):\(url.port) may not be called: it stands neither in a config field of type url nor in the file's net"
        )
      }
      return .url(url, reach)
    }
  }

  /// `auth`: a secret or a string, sent as a bearer token.
  private func authorization(_ value: LuaValue?) throws(HostError) -> String? {
    if let secret = secret(value) { return try bearer(secret.reveal()) }
    switch value {
    case nil: return nil
    case .string(let bytes)?: return try bearer(String(decoding: bytes, as: UTF8.self))
    default: throw HostError("tide.http: auth must be a secret or a string")
    }
  }

  private func bearer(_ token: String) throws(HostError) -> String {
    guard !token.isEmpty, token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
      throw HostError("tide.http: auth holds characters that no token has")
    }
    return "Bearer " + token
  }
}

extension FetchResponse {
  /// What Lua gets: `json` where the body is JSON by its type.
  var luaValue: LuaValue {
    var fields: [(key: LuaValue, value: LuaValue)] = [
      (.text("status"), .integer(Int64(status))), (.text("body"), .string(body)),
    ]
    var names: [(key: LuaValue, value: LuaValue)] = []
    for index in 0..<headers.count {
      let name = headers.name(at: index)
      if headers.index(of: name) == index { names.append((.text(name), .text(headers.joined(name) ?? ""))) }
    }
    fields.append((.text("headers"), .map(names)))
    if headers["content-type"]?.lowercased().contains("json") == true, !body.isEmpty {
      let parsed = body.withUnsafeBytes { bytes -> PolicyValue? in
        do throws(HostError) { return try JSONText.decode(bytes) } catch { return nil }
      }
      // A parsed text holds no secret.
      if let parsed { fields.append((.text("json"), parsed.luaValue(hide: { _ in LuaOpaque(kind: 0, id: 0) }))) }
    }
    return .map(fields)
  }
}

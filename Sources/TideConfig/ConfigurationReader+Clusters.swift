import TideCore

extension ConfigurationReader {
  private static let maximumMs = 7 * 86_400_000

  func readClusters(_ fields: ConfigurationFields) -> [ClusterConfiguration] {
    guard let items = fields.list("clusters") else { return [.embeddedEngine] }
    if items.isEmpty { report(fields["clusters"], "`clusters` is empty: no request could be answered") }
    var seen: Set<String> = []
    return items.compactMap { item in
      guard let cluster = readCluster(item) else { return nil }
      if cluster.name == "by-model" {
        report(item["name"], "a cluster cannot be named `by-model`: the name is reserved for routes")
      } else if !cluster.name.isEmpty, !seen.insert(cluster.name).inserted {
        report(item["name"], "two clusters are named `\(cluster.name)`")
      }
      return cluster
    }
  }

  private func readCluster(_ item: ConfigNode) -> ClusterConfiguration? {
    guard
      let fields = ConfigurationFields(
        item, "a cluster",
        allowed: ["name", "dialect", "endpoints", "credentials", "timeouts", "max_connections", "tls", "engine"],
        reader: self)
    else { return nil }
    let name = fields.requiredName("name")
    let engine = readEngine(fields)
    if fields.contains("engine") {
      for key in ["endpoints", "credentials", "tls"] {
        guard let node = fields[key] else { continue }
        report(node, "`\(key)` has no meaning in a cluster with `engine`", hint: "the engine runs inside the gateway")
      }
    } else if !fields.contains("endpoints") {
      report(item, "a cluster needs `endpoints` or `engine`")
    }
    return ClusterConfiguration(
      name: name,
      dialects: readDialects(fields, isEngine: engine != nil),
      endpoints: readEndpoints(fields),
      credentials: readCredentials(fields),
      timeouts: readTimeouts(fields),
      maxConnections: fields.integer("max_connections", in: 1...100_000, default: 256),
      tls: readUpstreamTLS(fields),
      engine: engine)
  }

  /// One dialect, or a list for endpoints that speak several.
  private func readDialects(_ fields: ConfigurationFields, isEngine: Bool) -> [ClusterDialect] {
    let usual: [ClusterDialect] = isEngine ? ClusterDialect.allCases : [.openai]
    guard let node = fields["dialect"] else { return usual }
    let items = if case .array(let items) = node.value { items } else { [node] }
    if items.isEmpty { report(node, "`dialect` of a cluster is an empty list", hint: "such as [openai, anthropic]") }
    let dialects: [ClusterDialect] = items.compactMap {
      fields.choice("dialect", of: $0, later: ["gemini", "ollama"])
    }
    return dialects.isEmpty ? usual : ClusterDialect.allCases.filter(dialects.contains)
  }

  private func readEngine(_ fields: ConfigurationFields) -> EngineConfiguration? {
    guard let node = fields["engine"],
      let fields = ConfigurationFields(node, "`engine`", allowed: ["mode", "interval"], reader: self)
    else { return nil }
    var engine = EngineConfiguration()
    engine.mode = fields.choice("mode", default: engine.mode)
    engine.intervalMs = fields.milliseconds("interval", in: 0...60_000, default: engine.intervalMs)
    return engine
  }

  private func readEndpoints(_ fields: ConfigurationFields) -> [EndpointConfiguration] {
    guard let items = fields.list("endpoints") else { return [] }
    if items.isEmpty { report(fields["endpoints"], "`endpoints` of a cluster is empty") }
    return items.compactMap { item in
      guard
        let fields = ConfigurationFields(item, "an endpoint", allowed: ["url", "protocol", "weight"], reader: self)
      else { return nil }
      if !fields.contains("url") { report(item, "an endpoint needs a `url`", hint: "such as http://127.0.0.1:9000") }
      guard let text = fields.string("url"), let node = fields["url"] else { return nil }
      var endpoint: EndpointConfiguration
      switch EndpointURL.parse(text) {
      case .success(let parsed): endpoint = parsed
      case .failure(let problem):
        report(node, "`url` of an endpoint \(problem.message)", hint: "such as https://api.example.com/prefix")
        return nil
      }
      endpoint.transport = fields.choice("protocol", default: .automatic)
      endpoint.weight = fields.integer("weight", in: 1...1_000, default: 1)
      if endpoint.scheme == .http, endpoint.transport == .h2 {
        report(fields["protocol"], "`h2` needs an https url", hint: "for HTTP/2 without TLS write `h2c`")
      } else if endpoint.scheme == .https, endpoint.transport == .h2c {
        report(fields["protocol"], "`h2c` needs an http url", hint: "for HTTP/2 over TLS write `h2`")
      }
      return endpoint
    }
  }

  private func readTimeouts(_ fields: ConfigurationFields) -> TimeoutsConfiguration {
    var timeouts = TimeoutsConfiguration()
    guard let node = fields["timeouts"],
      let fields = ConfigurationFields(
        node, "`timeouts`", allowed: ["connect", "first_byte", "idle", "total"], reader: self)
    else { return timeouts }
    timeouts.connectMs = fields.milliseconds("connect", in: 1...600_000, default: timeouts.connectMs)
    timeouts.firstByteMs = fields.milliseconds("first_byte", in: 1...Self.maximumMs, default: timeouts.firstByteMs)
    timeouts.idleMs = fields.milliseconds("idle", in: 1...Self.maximumMs, default: timeouts.idleMs)
    timeouts.totalMs = fields.milliseconds("total", in: 1...Self.maximumMs, default: timeouts.totalMs)
    return timeouts
  }

  private func readUpstreamTLS(_ fields: ConfigurationFields) -> UpstreamTLSConfiguration {
    var tls = UpstreamTLSConfiguration()
    guard let node = fields["tls"],
      let fields = ConfigurationFields(
        node, "`tls` of a cluster", allowed: ["ca", "server_name", "verify"], reader: self)
    else { return tls }
    if fields.contains("ca"), fields.string("ca") != "system" {
      if case .string? = fields["ca"]?.value, let path = fields.existingFile("ca") { tls.ca = .file(path) }
    }
    tls.serverName = fields.name("server_name")
    tls.verify = fields.boolean("verify", default: true)
    if !tls.verify {
      warn(fields["verify"], "`verify: false`: anyone between the gateway and this cluster can read the credentials")
    }
    return tls
  }

  private func readCredentials(_ fields: ConfigurationFields) -> CredentialsConfiguration? {
    guard let node = fields["credentials"],
      let fields = ConfigurationFields(
        node, "`credentials`", allowed: ["bearer", "header", "value"], reader: self)
    else { return nil }
    if fields.contains("bearer") {
      for key in ["header", "value"] where fields.contains(key) {
        report(fields[key], "`\(key)` cannot stand beside `bearer`", hint: "either `bearer`, or `header` and `value`")
      }
      return readSecret("bearer", fields).map { .bearer($0) }
    }
    guard fields.contains("header"), fields.contains("value") else {
      report(node, "`credentials` needs `bearer`, or `header` and `value`")
      return nil
    }
    guard let name = fields.string("header")?.lowercased() else { return nil }
    let isToken = name.utf8.allSatisfy { byte in
      byte > 0x20 && byte < 0x7F && !"()<>@,;:\\\"/[]?={}".utf8.contains(byte)
    }
    let isReserved = [
      "host", "content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade", "keep-alive",
      "proxy-connection", "content-type",
    ].contains(name)
    if !isToken || isReserved {
      report(fields["header"], "`header` of `credentials` cannot be `\(name)`", hint: "such as x-api-key")
    }
    return readSecret("value", fields).map { .header(name: name, value: $0) }
  }

  /// A literal value or `file:path`. Messages never show it.
  private func readSecret(_ key: String, _ fields: ConfigurationFields) -> Secret? {
    guard let node = fields[key] else { return nil }
    guard case .string(var text) = node.value else {
      fields.wrongType(key, node, "a string")
      return nil
    }
    if text.hasPrefix("file:") {
      let path = FilePath.absolute(String(text.dropFirst(5)), in: folder)
      watch(path)
      switch FileText.read(path) {
      case .success(let content): text = content
      case .failure(let problem):
        report(node, "`\(key)` of \(fields.what): \(path): \(problem.message)")
        return nil
      }
      while let last = text.unicodeScalars.last, last == "\n" || last == "\r" { text.unicodeScalars.removeLast() }
    }
    guard !text.isEmpty else {
      report(node, "`\(key)` of \(fields.what) is empty")
      return nil
    }
    guard text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) else {
      report(node, "`\(key)` of \(fields.what) has characters that a header cannot carry")
      return nil
    }
    return Secret(text)
  }
}

extension ClusterConfiguration {
  /// The cluster that answers when the operator names none: the engine inside the process.
  static let embeddedEngine = ClusterConfiguration(
    name: "engine", dialects: ClusterDialect.allCases, endpoints: [], credentials: nil,
    timeouts: TimeoutsConfiguration(),
    maxConnections: 256, tls: UpstreamTLSConfiguration(), engine: EngineConfiguration())
}

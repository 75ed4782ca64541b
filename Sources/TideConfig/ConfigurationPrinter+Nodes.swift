import TideCore

extension ConfigurationPrinter {
  static let hidden = "<hidden>"

  static func node(_ configuration: GatewayConfiguration) -> ConfigNode {
    let written = configuration.writtenPolicyConfigurations
    let limits = configuration.limits
    let workers: ConfigNode =
      switch configuration.workers {
      case .automatic: .text("auto")
      case .exactly(let count): .count(count)
      }
    let access: String =
      switch configuration.log.access {
      case .stdout: "stdout"
      case .stderr: "stderr"
      case .off: "off"
      case .file(let path): path
      }
    let store =
      switch configuration.store {
      case .memory: "memory"
      case .redis(let redis): redis.shown
      }
    return .object([
      ("listeners", .list(configuration.listeners.map(node))),
      ("admin", .object([("address", .text(configuration.admin.address.description))])),
      ("workers", workers),
      ("worker_cores", .text(configuration.workerCores.rawValue)),
      ("io_uring", .text(configuration.ioUring.rawValue)),
      ("clusters", .list(configuration.clusters.map(node))),
      ("models", .list(configuration.models.map(node))),
      (
        "plugins",
        .object([
          ("folder", configuration.plugins.folder.map { .text($0) }), ("auto", .flag(configuration.plugins.auto)),
          ("lint", .text(configuration.plugins.lint.rawValue)),
          ("require_tests", .flag(configuration.plugins.requiresTests)),
          ("test_timeout", .duration(configuration.plugins.testTimeoutMs)),
        ])
      ),
      ("policies", .list(configuration.policies.map { node($0, written) })),
      ("routes", .list(configuration.routes.map { node($0, written) })),
      (
        "limits",
        .object([
          ("connections", .count(limits.connections)),
          ("request_body", .text(SizeText.text(bytes: limits.requestBody))),
          ("response_body", .text(SizeText.text(bytes: limits.responseBody))),
          ("decoded_body", .text(SizeText.text(bytes: limits.decodedBody))),
          ("header_list", .text(SizeText.text(bytes: limits.headerList))),
          ("stream_buffer", .text(SizeText.text(bytes: limits.streamBuffer))),
          ("policy_memory", .text(SizeText.text(bytes: limits.policyMemory))),
        ])
      ),
      ("store", .text(store)),
      (
        "log",
        .object([
          ("level", .text(configuration.log.level.rawValue)), ("format", .text(configuration.log.format.rawValue)),
          ("access", .text(access)),
        ])
      ),
      ("drain", .object([("timeout", .duration(configuration.drain.timeoutMs))])),
    ])
  }

  private static func node(_ listener: ListenerConfiguration) -> ConfigNode {
    let tls = listener.tls.map { tls in
      ConfigNode.object([
        (
          "certificates",
          .list(
            tls.certificates.map {
              .object([
                ("certificate", .text($0.certificate)), ("key", .text($0.key)), ("names", .texts($0.names)),
              ])
            })
        ),
        ("client_ca", tls.clientCA.map { .text($0) }),
      ])
    }
    return .object([
      ("address", .text(listener.address.description)), ("tls", tls),
      ("protocols", .texts(listener.protocols.map(\.rawValue))),
    ])
  }

  private static func node(_ cluster: ClusterConfiguration) -> ConfigNode {
    let credentials: ConfigNode? = cluster.credentials.map {
      switch $0 {
      case .bearer: .object([("bearer", .text(hidden))])
      case .header(let name, _): .object([("header", .text(name)), ("value", .text(hidden))])
      }
    }
    let ca = if case .file(let path) = cluster.tls.ca { path } else { "system" }
    let engine = cluster.engine.map {
      ConfigNode.object([("mode", .text($0.mode.rawValue)), ("interval", .duration($0.intervalMs))])
    }
    let endpoints = cluster.endpoints.map {
      ConfigNode.object([
        ("url", .text($0.url)), ("protocol", .text($0.transport.rawValue)), ("weight", .count($0.weight)),
      ])
    }
    return .object([
      ("name", .text(cluster.name)),
      (
        "dialect",
        cluster.dialects.count == 1
          ? .text(cluster.dialects[0].rawValue) : .list(cluster.dialects.map { .text($0.rawValue) })
      ),
      ("endpoints", cluster.engine == nil ? .list(endpoints) : nil), ("credentials", credentials),
      (
        "timeouts",
        .object([
          ("connect", .duration(cluster.timeouts.connectMs)), ("first_byte", .duration(cluster.timeouts.firstByteMs)),
          ("idle", .duration(cluster.timeouts.idleMs)), ("total", .duration(cluster.timeouts.totalMs)),
        ])
      ),
      ("max_connections", .count(cluster.maxConnections)),
      (
        "tls",
        cluster.engine == nil
          ? .object([
            ("ca", .text(ca)), ("server_name", cluster.tls.serverName.map { .text($0) }),
            ("verify", .flag(cluster.tls.verify)),
          ]) : nil
      ),
      ("engine", engine),
    ])
  }

  private static func node(_ model: ModelEntry) -> ConfigNode {
    let targets = model.targets.map {
      ConfigNode.object([("cluster", .text($0.cluster)), ("model", $0.model.map { .text($0) })])
    }
    return .object([("id", .text(model.id.pattern)), ("targets", .list(targets))])
  }

  private static func node(_ binding: PolicyBinding, _ written: [String: ConfigNode]) -> ConfigNode {
    let failure = binding.failure.sorted { $0.key < $1.key }.map { ($0.key, ConfigNode.text($0.value.rawValue)) }
    let config = written[binding.name].map { SecretMask.hide(in: $0) }
    return .object([
      ("use", .text(binding.policy)), ("as", binding.name == binding.policy ? nil : .text(binding.name)),
      ("when", binding.when.map(node)), ("config", config), ("failure", failure.isEmpty ? nil : .object(failure)),
      ("share", binding.share.map { .text($0) }),
    ])
  }

  private static func node(_ condition: MatchCondition) -> ConfigNode {
    var fields: [(String, ConfigNode?)] = MatchCondition.Key.allCases.compactMap { key in
      condition.globs[key].map { (key.rawValue, .texts($0.map(\.pattern))) }
    }
    if !condition.headers.isEmpty {
      // Headers may carry credentials: their names are enough.
      let names = condition.headers.keys.sorted()
      fields.append(("header", .object(names.map { ($0, .text(hidden)) })))
    }
    fields.append(("not", condition.not.map(node)))
    return .object(fields)
  }

  private static func node(_ route: RouteConfiguration, _ written: [String: ConfigNode]) -> ConfigNode {
    func globs(_ globs: [Glob]) -> ConfigNode? { globs.isEmpty ? nil : .texts(globs.map(\.pattern)) }
    let match = ConfigNode.object([
      ("path", globs(route.match.path)), ("method", globs(route.match.method)), ("host", globs(route.match.host)),
      ("model", globs(route.match.model)),
      (
        "header",
        route.match.headers.isEmpty
          ? nil : .object(route.match.headers.sorted { $0.key < $1.key }.map { ($0.key, .text(hidden)) })
      ),
    ])
    let cluster = if case .cluster(let name) = route.cluster { name } else { "by-model" }
    return .object([
      ("name", .text(route.name)), ("match", match), ("cluster", .text(cluster)),
      ("default_cluster", route.defaultCluster.map { .text($0) }),
      ("policies", .list(route.policies.map { node($0, written) })), ("without", .texts(route.without)),
      ("anonymous", .flag(route.anonymous)), ("unparsed", .text(route.unparsed.rawValue)),
      ("on_disconnect", .text(route.onDisconnect.rawValue)),
    ])
  }
}

extension ConfigNode {
  fileprivate static func text(_ text: String) -> ConfigNode { ConfigNode(.string(text)) }
  fileprivate static func texts(_ texts: [String]) -> ConfigNode { .list(texts.map { .text($0) }) }
  fileprivate static func count(_ count: Int) -> ConfigNode { ConfigNode(.integer(count)) }
  fileprivate static func flag(_ flag: Bool) -> ConfigNode { ConfigNode(.boolean(flag)) }
  fileprivate static func duration(_ ms: Int) -> ConfigNode { .text(DurationText.text(ms: ms)) }
  fileprivate static func list(_ items: [ConfigNode]) -> ConfigNode { ConfigNode(.array(items)) }
  /// Leaves out what is nil.
  fileprivate static func object(_ fields: [(String, ConfigNode?)]) -> ConfigNode {
    ConfigNode(.map(fields.compactMap { name, node in node.map { Entry(key: name, value: $0) } }))
  }
}

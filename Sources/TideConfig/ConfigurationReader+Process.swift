import TideCore

/// What concerns the process as a whole.
extension ConfigurationReader {
  func readWorkers(_ fields: ConfigurationFields) -> WorkerCount {
    guard let node = fields["workers"] else { return .automatic }
    switch node.value {
    case .string("auto"): return .automatic
    case .integer(let count) where (1...1024).contains(count): return .exactly(count)
    default:
      report(node, "`workers` must be `auto` or a whole number between 1 and 1024, not \(node.shown)")
      return .automatic
    }
  }

  func readLimits(_ fields: ConfigurationFields) -> LimitsConfiguration {
    var limits = LimitsConfiguration()
    guard let node = fields["limits"],
      let fields = ConfigurationFields(
        node, "`limits`",
        allowed: [
          "connections", "request_body", "response_body", "decoded_body", "header_list", "stream_buffer",
          "policy_memory",
        ],
        reader: self)
    else { return limits }
    limits.connections = fields.integer("connections", in: 1...1_000_000, default: limits.connections)
    limits.isConnectionsExplicit = fields.contains("connections")
    limits.requestBody = fields.bytes("request_body", in: 1 << 10...1 << 30, default: limits.requestBody)
    limits.responseBody = fields.bytes("response_body", in: 1 << 10...1 << 30, default: limits.responseBody)
    limits.decodedBody = fields.bytes("decoded_body", in: 1 << 10...1 << 30, default: limits.decodedBody)
    limits.headerList = fields.bytes("header_list", in: 4 << 10...256 << 10, default: limits.headerList)
    limits.streamBuffer = fields.bytes("stream_buffer", in: 16 << 10...1 << 20, default: limits.streamBuffer)
    limits.policyMemory = fields.bytes("policy_memory", in: 1 << 20...1 << 40, default: limits.policyMemory)
    return limits
  }

  func readStore(_ fields: ConfigurationFields) -> StoreConfiguration {
    guard let node = fields["store"] else { return .memory }
    guard case .string(let text) = node.value else {
      fields.wrongType("store", node, "`memory` or `redis://host:6379/0`")
      return .memory
    }
    if text == "memory" { return .memory }
    switch RedisURL.parse(text) {
    case .success(let redis): return .redis(redis)
    case .failure(let problem):
      report(node, "`store` \(problem.message)", hint: problem.hint)
      return .memory
    }
  }

  func readLog(_ fields: ConfigurationFields) -> LogConfiguration {
    var log = LogConfiguration()
    guard let node = fields["log"],
      let fields = ConfigurationFields(node, "`log`", allowed: ["level", "format", "access"], reader: self)
    else { return log }
    log.level = fields.choice("level", default: log.level)
    log.format = fields.choice("format", default: log.format)
    guard let text = fields.string("access") else { return log }
    switch text {
    case "stdout": log.access = .stdout
    case "stderr": log.access = .stderr
    case "off": log.access = .off
    default:
      let path = FilePath.absolute(text, in: folder)
      log.access = .file(path)
      // A bare word is more likely a slip than the name of a file beside the configuration.
      let isWord = !text.contains("/") && !text.contains(".")
      if isWord || !FilePath.isFolder(FilePath.folder(of: path)) || FilePath.isFolder(path) {
        report(
          fields["access"], "`access` of `log` cannot be `\(text)`",
          hint: "stdout, stderr, off, or a path such as ./access.log in a folder that exists")
      }
    }
    return log
  }

  func readDrain(_ fields: ConfigurationFields) -> DrainConfiguration {
    let standard = DrainConfiguration(timeoutMs: 600_000)
    guard let node = fields["drain"],
      let fields = ConfigurationFields(node, "`drain`", allowed: ["timeout"], reader: self)
    else { return standard }
    return DrainConfiguration(
      timeoutMs: fields.milliseconds("timeout", in: 0...7 * 86_400_000, default: standard.timeoutMs))
  }
}

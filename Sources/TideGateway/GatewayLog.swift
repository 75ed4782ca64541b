import Logging
import TideConfig
import TideCore
import TideTelemetry

/// The gateway's two logs: what happens to the gateway, and one line an exchange. Both leave through one pipeline whose thread does the
/// writing.
final class GatewayLog: Sendable {
  private let pipeline: LogPipeline
  private let logger: Logger
  private let accessOutput: LogOutput?
  private let accessStyle: LogStyle

  /// - Throws: when the access log's file cannot be opened.
  init(_ configuration: LogConfiguration) throws {
    pipeline = LogPipeline()
    let style: LogStyle? =
      switch configuration.format {
      case .automatic: nil
      case .text: .text
      case .json: .json
      }
    logger = Logger(label: "tidegate") { [pipeline] label in
      PipelineLogHandler(
        label: label, pipeline: pipeline, output: .standardError, style: style,
        level: Logger.Level(rawValue: configuration.level.rawValue) ?? .info)
    }
    switch configuration.access {
    case .off: accessOutput = nil
    case .stdout: accessOutput = .standardOutput
    case .stderr: accessOutput = .standardError
    case .file(let path):
      guard let output = LogOutput(path: path) else {
        throw Diagnostic(
          file: path, message: "the access log cannot be opened for writing",
          hint: "check `log.access` and the folder's rights")
      }
      accessOutput = output
    }
    accessStyle = style ?? accessOutput?.naturalStyle ?? .json
    pipeline.start()
  }

  var droppedCount: UInt64 { pipeline.droppedCount }

  func log(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata = [:]) {
    logger.log(level: level, "\(message)", metadata: metadata)
  }

  func notice(_ message: String) { logger.notice("\(message)") }
  func warning(_ message: String) { logger.warning("\(message)") }
  func error(_ message: String) { logger.error("\(message)") }

  func attack(_ row: String, listener: String) {
    logger.warning("connection ended for an attack", metadata: ["row": "\(row)", "listener": "\(listener)"])
  }

  func upstreamFailed(exchange: String, endpoint: Endpoint, reason: String) {
    logger.warning(
      "upstream could not be reached",
      metadata: [
        "exchange": "\(exchange)", "cluster": "\(endpoint.cluster)", "endpoint": "\(endpoint.authority)",
        "reason": "\(reason)",
      ])
  }

  var writesAccess: Bool { accessOutput != nil }

  func answerUndecodable(exchange: String, endpoint: Endpoint, reason: String) {
    logger.warning(
      "upstream's answer could not be decoded",
      metadata: [
        "exchange": "\(exchange)", "cluster": "\(endpoint.cluster)", "endpoint": "\(endpoint.authority)",
        "reason": "\(reason)",
      ])
  }

  func access(_ record: AccessRecord) {
    guard let accessOutput else { return }
    var line: [UInt8] = []
    line.reserveCapacity(512)
    record.write(as: accessStyle, to: &line)
    pipeline.submit(line, to: accessOutput)
  }

  func close() { pipeline.close() }
}

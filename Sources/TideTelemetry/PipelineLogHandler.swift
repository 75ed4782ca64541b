import Logging

/// Sends what is logged through swift-log to a pipeline: text for people, JSON for programs.
public struct PipelineLogHandler: LogHandler {
  public var logLevel: Logger.Level
  public var metadata: Logger.Metadata = [:]
  public var metadataProvider: Logger.MetadataProvider?

  private let label: String
  private let pipeline: LogPipeline
  private let output: LogOutput
  private let style: LogStyle

  /// - Parameter style: nil takes the output's natural one.
  public init(
    label: String, pipeline: LogPipeline, output: LogOutput, style: LogStyle? = nil, level: Logger.Level = .info
  ) {
    self.label = label
    self.pipeline = pipeline
    self.output = output
    self.style = style ?? output.naturalStyle
    logLevel = level
  }

  public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  public func log(event: LogEvent) {
    pipeline.submit(line(event, at: UTCTimestamp.now()), to: output)
  }

  func line(_ event: LogEvent, at time: UTCTimestamp) -> [UInt8] {
    var all = metadata
    if let provided = metadataProvider?.get() { all.merge(provided) { _, new in new } }
    if let own = event.metadata { all.merge(own) { _, new in new } }
    let sorted = all.sorted { $0.key < $1.key }
    let message = event.message.description

    switch style {
    case .json:
      var fields = LogFields(style: .json)
      fields.add("time", time)
      fields.add("level", event.level.rawValue)
      fields.add("logger", label)
      fields.add("message", message)
      for (key, value) in sorted {
        // A name of our own cannot be given twice in one object.
        let isTaken = ["time", "level", "logger", "message"].contains(key)
        fields.add(isTaken ? "metadata_" + key : key, value.description)
      }
      if let error = event.error { fields.add("error", "\(error)") }
      return fields.finish()
    case .text:
      var line: [UInt8] = []
      time.append(to: &line)
      line.append(UInt8(ascii: " "))
      line.append(contentsOf: event.level.rawValue.utf8)
      line.append(UInt8(ascii: " "))
      LogText.appendMessage(message, to: &line)
      for (key, value) in sorted {
        line.append(UInt8(ascii: " "))
        LogText.appendValue(key, to: &line)
        line.append(UInt8(ascii: "="))
        LogText.appendValue(value.description, to: &line)
      }
      if let error = event.error {
        line.append(contentsOf: " error=".utf8)
        LogText.appendValue("\(error)", to: &line)
      }
      line.append(UInt8(ascii: "\n"))
      return line
    }
  }
}

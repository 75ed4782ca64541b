import Foundation
import Logging
import Testing

@testable import TideTelemetry

@Suite("Log lines")
struct LogTests {
  private static let hostile = "x\n{\"forged\":1}\r\u{1B}[2J\u{7F}\u{9B}\u{2028}\u{202E}\"\\ status=200\u{0}é"

  private func line(_ record: AccessRecord, _ style: LogStyle) -> String {
    var bytes: [UInt8] = []
    record.write(as: style, to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  @Test("times are RFC 3339 in UTC")
  func times() {
    #expect(UTCTimestamp(milliseconds: 0).description == "1970-01-01T00:00:00.000Z")
    #expect(UTCTimestamp(milliseconds: 951_782_399_999).description == "2000-02-28T23:59:59.999Z")
    #expect(UTCTimestamp(milliseconds: 951_782_400_000).description == "2000-02-29T00:00:00.000Z")
    #expect(UTCTimestamp(milliseconds: 4_102_444_800_000).description == "2100-01-01T00:00:00.000Z")
    #expect(!UTCTimestamp(milliseconds: .max).description.isEmpty)
  }

  @Test("an access line holds its fields, as JSON and as text")
  func access() throws {
    var record = AccessRecord(time: UTCTimestamp(milliseconds: 0))
    record.id = "id-1"
    record.outcome = "complete"
    record.model = "gpt-4o"
    record.status = 200
    record.ttftMs = 1.2345
    record.durationMs = 250
    record.tokensIn = 3
    record.generation = 7
    #expect(
      line(record, .text)
        == "1970-01-01T00:00:00.000Z id=id-1 outcome=complete model=gpt-4o status=200 streaming=false ttft_ms=1.235 "
        + "duration_ms=250.000 tokens_in=3 bytes_in=0 bytes_out=0 attempts=0 generation=7\n")
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(line(record, .json).utf8)) as? [String: Any])
    #expect(object["type"] as? String == "access" && object["duration_ms"] as? Double == 250)
    #expect(object["tokens_out"] == nil && object["status"] as? Int == 200)
  }

  @Test("nothing from outside ends a line, forges a field or reaches a terminal", arguments: [LogStyle.text, .json])
  func injection(style: LogStyle) throws {
    var record = AccessRecord(time: UTCTimestamp(milliseconds: 0))
    record.model = Self.hostile
    record.path = Self.hostile
    record.tenant = Self.hostile
    let text = line(record, style)
    #expect(text.unicodeScalars.filter { $0 == "\n" }.count == 1 && text.hasSuffix("\n"))
    for scalar in text.unicodeScalars.dropLast() {
      let value = scalar.value
      #expect(value >= 0x20 && !(0x7F...0x9F).contains(value) && !(0x2028...0x202E).contains(value))
    }
    if style == .json {
      let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
      #expect(object?["model"] as? String == Self.hostile)
      #expect(object?["forged"] == nil)
    }
  }

  @Test("a model's name is cut to 128 bytes between two characters")
  func truncation() {
    #expect(LogText.truncated(String(repeating: "é", count: 100), toBytes: 129).utf8.count == 128)
    #expect(LogText.truncated("abc", toBytes: 3) == "abc" && LogText.truncated("é", toBytes: 1).isEmpty)
    var record = AccessRecord(time: UTCTimestamp(milliseconds: 0))
    record.model = String(repeating: "m", count: 100_000)
    #expect(line(record, .json).utf8.count < 500)
  }

  @Test("swift-log's messages and metadata are escaped", arguments: [LogStyle.text, .json])
  func handler(style: LogStyle) throws {
    var handler = PipelineLogHandler(
      label: "tidegate", pipeline: LogPipeline(), output: .standardError, style: style, level: .info)
    handler[metadataKey: "own"] = "1"
    let event = LogEvent(
      level: .warning, message: "\(Self.hostile)", metadata: ["message": "\(Self.hostile)"], source: "s", file: "f",
      function: "g", line: 1)
    let text = String(decoding: handler.line(event, at: UTCTimestamp(milliseconds: 0)), as: UTF8.self)
    #expect(text.unicodeScalars.filter { $0 == "\n" }.count == 1 && !text.unicodeScalars.contains("\u{1B}"))
    if style == .json {
      let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
      #expect(object?["message"] as? String == Self.hostile && object?["level"] as? String == "warning")
      #expect(object?["metadata_message"] as? String == Self.hostile && object?["own"] as? String == "1")
    } else {
      #expect(text.hasPrefix("1970-01-01T00:00:00.000Z warning x\\n{"))
    }
  }
}

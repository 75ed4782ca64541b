import Foundation
import Testing

@testable import TideTelemetry

@Suite("Log pipeline")
struct LogPipelineTests {
  private func temporaryPath() -> String { NSTemporaryDirectory() + "tidegate-log-" + UUID().uuidString }

  @Test("lines arrive whole and in order, from many threads")
  func order() throws {
    let path = temporaryPath()
    defer { try? FileManager.default.removeItem(atPath: path) }
    let output = try #require(LogOutput(path: path))
    #expect(output.naturalStyle == .json)
    let pipeline = LogPipeline()
    pipeline.start()
    DispatchQueue.concurrentPerform(iterations: 4) { thread in
      for index in 0..<500 { pipeline.submit(Array("\(thread) \(index)\n".utf8), to: output) }
    }
    #expect(pipeline.flush())
    let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
    #expect(lines.count == 2000)
    for thread in 0..<4 {
      let own = lines.filter { $0.hasPrefix("\(thread) ") }.compactMap { Int($0.dropFirst(2)) }
      #expect(own == Array(0..<500))
    }
    pipeline.close()
    #expect(!pipeline.submit([10], to: output), "closed")
  }

  @Test("a full queue drops, counts, and says so once it moves again")
  func overflow() throws {
    let path = temporaryPath()
    defer { try? FileManager.default.removeItem(atPath: path) }
    let output = try #require(LogOutput(path: path))
    let pipeline = LogPipeline(byteLimit: 100)
    // The thread has not started: nothing leaves the queue.
    let line = Array((String(repeating: "x", count: 39) + "\n").utf8)
    #expect(pipeline.submit(line, to: output))
    #expect(pipeline.submit(line, to: output))
    #expect(!pipeline.submit(line, to: output))
    #expect(!pipeline.submit(line, to: output))
    #expect(pipeline.droppedCount == 2)
    #expect(!pipeline.flush(timeoutMs: 0), "not started")
    pipeline.start()
    pipeline.close()
    let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
    #expect(lines.count == 3)
    #expect(lines[0].contains("\"dropped\":2"))
  }

  @Test("a destination that takes nothing costs lines, not the pipeline")
  func brokenDestination() throws {
    let full = try #require(LogOutput(path: "/dev/full"))
    let path = temporaryPath()
    defer { try? FileManager.default.removeItem(atPath: path) }
    let good = try #require(LogOutput(path: path))
    let pipeline = LogPipeline()
    pipeline.start()
    pipeline.submit(Array("lost\n".utf8), to: full)
    pipeline.submit(Array("kept\n".utf8), to: good)
    #expect(pipeline.flush())
    #expect(pipeline.droppedCount == 1)
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "kept\n")
    pipeline.close()
    #expect(LogOutput(path: "/nowhere/log") == nil)
  }
}

import Foundation
import Testing

@testable import TideIO

/// Workers that keep to a core.
@Suite struct WorkerCoreTests {
  /// The cores that a thread may use, as Linux lists them.
  private static func cores(_ status: String) throws -> [Int] {
    let text = try String(contentsOfFile: status, encoding: .utf8)
    let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") })
    let list = line.split(separator: ":")[1].trimmingCharacters(in: .whitespaces)
    return list.split(separator: ",").flatMap { part -> [Int] in
      let ends = part.split(separator: "-").compactMap { Int($0) }
      return Array(ends[0]...ends[ends.count - 1])
    }
  }

  @Test("Each worker has a core that the process may use, and after the last it begins anew")
  func cores() throws {
    let allowed = try Self.cores("/proc/self/status")
    for ordinal in 0...allowed.count {
      let worker = Worker(index: ordinal)
      worker.start()
      defer {
        worker.stop()
        worker.join()
      }
      #expect(worker.keepOnCore(ordinal) == nil)
      let found = Locked<[Int]?>(nil)
      let told = DispatchSemaphore(value: 0)
      worker.post { _ in
        found.withLock { $0 = try? Self.cores("/proc/thread-self/status") }
        told.signal()
      }
      told.wait()
      #expect(found.withLock { $0 } == [allowed[ordinal % allowed.count]])
    }
    // The caller goes where it did before.
    #expect(try Self.cores("/proc/thread-self/status") == allowed)
  }
}

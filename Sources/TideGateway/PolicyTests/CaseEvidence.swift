import TidePolicy

/// What helps to understand a failure besides its message: what policies logged, and what travelled.
struct CaseEvidence {
  /// What passed one side of the gateway.
  struct Passage {
    var title: String
    var lines: [String]

    /// - Parameter bytes: a transcript, its lines ended in any way.
    init(_ title: String, _ bytes: [UInt8]) {
      self.title = title
      let text = String(decoding: bytes, as: UTF8.self).replacing("\r\n", with: "\n").replacing("\r", with: "\n")
      lines = text.split(separator: "\n").map(String.init)
    }
  }

  /// Lines of each passage that are shown when nobody asks for all: its first and its last.
  private static let edgeCount = 2
  private static let columnsMax = 120

  var log: [PolicyLogEntry] = []
  var passages: [Passage] = []

  /// The errors of the log, or all of it.
  func logLines(isWhole: Bool) -> [String] {
    log.filter { isWhole || $0.level == .error }.map { entry in
      "logged (\(entry.level.rawValue)): " + entry.message
    }
  }

  /// A dozen lines of what travelled, or all of it.
  func transcript(isWhole: Bool) -> [String] {
    passages.flatMap { passage in
      var lines = passage.lines
      if !isWhole {
        lines = lines.map { $0.count > Self.columnsMax ? $0.prefix(Self.columnsMax) + "..." : $0 }
        let left = lines.count - 2 * Self.edgeCount
        if left > 1 {
          lines = lines.prefix(Self.edgeCount) + ["... \(left) lines ..."] + lines.suffix(Self.edgeCount)
        }
      }
      return ["\(passage.title):"] + lines.map { "  " + $0 }
    }
  }
}

import CLuaShim

/// The lines of files that machines have run.
///
/// Unchecked Sendable: the machines that share one run on one thread at a time, and who reads it waits until they have.
public final class LuaLineRecord: @unchecked Sendable {
  let raw: OpaquePointer

  public init() {
    guard let raw = tide_lines_new() else { preconditionFailure("no memory for a record of lines") }
    self.raw = raw
  }

  deinit { tide_lines_free(raw) }

  /// - Parameters:
  ///   - line: from 1.
  ///   - file: as `chunkName` named it.
  public func hasRun(line: Int, of file: String) -> Bool { tide_lines_has(raw, file, Int32(clamping: line)) }

  /// The lines of a chunk, from 1, for which the compiler makes instructions. Those of the functions inside are not among them; nil
  /// for a chunk that does not compile.
  public static func activeLines(ofChunk source: [UInt8], lineCount: Int) -> Set<Int>? {
    active(source, isFunction: false, lineCount: lineCount)
  }

  /// The same of one function: the source is a `return function (...) ... end` after as many line feeds as its lines need to keep their
  /// numbers.
  public static func activeLines(ofFunction source: [UInt8], lineCount: Int) -> Set<Int>? {
    active(source, isFunction: true, lineCount: lineCount)
  }

  private static func active(_ source: [UInt8], isFunction: Bool, lineCount: Int) -> Set<Int>? {
    var marks = [UInt8](repeating: 0, count: lineCount + 1)
    let isMarked = source.withUnsafeBytes {
      tide_mark_active_lines($0.baseAddress, $0.count, isFunction, &marks, marks.count)
    }
    return isMarked ? Set(marks.indices.filter { marks[$0] != 0 }) : nil
  }
}

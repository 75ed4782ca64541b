/// Why a call into Lua did not return.
public struct LuaFailure: Error, Sendable, Equatable, CustomStringConvertible {
  public enum Kind: String, Sendable {
    /// The script raised an error, or does not parse.
    case error
    /// It ran longer than its budget. The machine is poisoned.
    case timeAbort
    /// It took more memory than its limit. The machine is poisoned.
    case memoryAbort
    /// Its patterns took more matching steps than one call may.
    case stepLimit
  }

  public var kind: Kind
  /// Without the position, which stands in `file` and `line`.
  public var message: String
  /// The chunk's name; empty when unknown.
  public var file: String
  /// From 1; 0 when unknown.
  public var line: Int
  /// A few innermost frames, one a line.
  public var traceback: String
  /// Wall time since the call began; of a hook that sees text the processor's time, to a millisecond, and 0 below that.
  public var elapsedNs: UInt64

  public init(
    kind: Kind, message: String, file: String = "", line: Int = 0, traceback: String = "", elapsedNs: UInt64 = 0
  ) {
    self.kind = kind
    self.message = message
    self.file = file
    self.line = line
    self.traceback = traceback
    self.elapsedNs = elapsedNs
  }

  public var description: String {
    let place = file.isEmpty ? "" : line > 0 ? "\(file):\(line): " : "\(file): "
    return place + message
  }

  /// Whether the machine must be thrown away.
  public var isAbort: Bool { kind == .timeAbort || kind == .memoryAbort }
}

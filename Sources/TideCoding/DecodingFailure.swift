/// Why a coded body cannot be read.
public enum DecodingFailure: String, Error, Sendable, CaseIterable, BitwiseCopyable {
  /// The bytes are not what the coding's specification allows.
  case corrupt
  /// All could be read, and its checksum or length says that it is not what was sent.
  case checksum
  /// The body ended before its coding did.
  case truncated
  /// Bytes follow the end.
  case trailing
  /// It asks for a window of more than 8 MiB.
  case window
  /// It expands to more bytes than allowed.
  case tooLarge = "too_large"
  /// It expands to more than a hundred times its size: a bomb.
  case ratio
  /// There is no memory for it.
  case memory

  /// The end of a sentence about the body.
  public var message: String {
    switch self {
    case .corrupt: "is corrupt"
    case .checksum: "does not match its checksum"
    case .truncated: "ends before its content coding does"
    case .trailing: "goes on behind the end of its content coding"
    case .window: "needs a window of more than 8 MiB to be decoded"
    case .tooLarge: "is too large when it is decoded"
    case .ratio: "expands to more than \(DecodingLimits.ratio) times its size"
    case .memory: "needs more memory to be decoded than there is"
    }
  }
}

/// What kind of text a lane carries.
public enum Channel: UInt8, Sendable, BitwiseCopyable, CaseIterable {
  /// What the user reads.
  case text
  /// The model's reasoning (`reasoning_content` or `reasoning`).
  case reasoning
  /// A refusal, kept apart from the text by the dialect.
  case refusal
  /// The arguments of a tool call: JSON, not text.
  case toolArgs

  /// The name that policies and logs use.
  public var name: StaticString {
    switch self {
    case .text: "text"
    case .reasoning: "reasoning"
    case .refusal: "refusal"
    case .toolArgs: "tool_args"
    }
  }
}

/// A set of channels: what a processor wants to see.
public struct ChannelSet: OptionSet, Sendable, BitwiseCopyable, Hashable {
  public let rawValue: UInt8

  public init(rawValue: UInt8) { self.rawValue = rawValue }

  public init(_ channel: Channel) { rawValue = 1 << channel.rawValue }

  public static let text = ChannelSet(.text)
  public static let reasoning = ChannelSet(.reasoning)
  public static let refusal = ChannelSet(.refusal)
  public static let toolArgs = ChannelSet(.toolArgs)

  @inline(__always)
  public func contains(_ channel: Channel) -> Bool { rawValue & (1 << channel.rawValue) != 0 }
}

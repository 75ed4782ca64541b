/// A tool call of an answer, whole, as policies judge it.
public struct ToolCall: Equatable, Sendable {
  /// The choice that makes it; 0 in dialects that have one.
  public var choice: Int32
  /// Its place among the calls of its choice, from 0, as the upstream counts.
  public var index: Int
  /// What the client answers it by.
  public var id: String
  public var name: String
  /// JSON, or whatever text the tool takes.
  public var arguments: String
  /// False for the tools that take any text (`custom`).
  public var takesJSON: Bool

  public init(
    choice: Int32 = 0, index: Int = 0, id: String, name: String, arguments: String, takesJSON: Bool = true
  ) {
    self.choice = choice
    self.index = index
    self.id = id
    self.name = name
    self.arguments = arguments
    self.takesJSON = takesJSON
  }
}

/// What becomes of a tool call.
public enum ToolDecision: Equatable, Sendable {
  /// The client gets it as it came.
  case pass
  /// The client gets another one in its place.
  case replace(name: String, arguments: String)
  /// The client gets text instead; empty text leaves nothing.
  case deny(message: String)
}

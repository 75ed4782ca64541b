/// A value that must not be seen: no description, no coding, no way out but `reveal`.
public struct Secret: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  private let value: String
  public init(_ value: String) { self.value = value }
  public var isEmpty: Bool { value.isEmpty }
  /// The value itself, for the one place that sends it.
  public func reveal() -> String { value }
  public var description: String { "<hidden>" }
  public var debugDescription: String { "<hidden>" }
  public var customMirror: Mirror { Mirror(self, children: []) }
}

/// One value of a configuration file and where it stands, so that whoever finds it wrong can say where.
public struct ConfigNode: Sendable {
  public struct Entry: Sendable {
    public var key: String
    public var keyLine: Int
    public var keyColumn: Int
    public var value: ConfigNode
    public init(key: String, keyLine: Int = 0, keyColumn: Int = 0, value: ConfigNode) {
      self.key = key
      self.keyLine = keyLine
      self.keyColumn = keyColumn
      self.value = value
    }
  }

  public indirect enum Value: Sendable {
    case null
    case boolean(Bool)
    case integer(Int)
    case number(Double)
    case string(String)
    case array([ConfigNode])
    case map([Entry])
  }

  public var value: Value
  /// From 1; 0 when the value was not read from a file.
  public var line: Int
  public var column: Int

  public init(_ value: Value, line: Int = 0, column: Int = 0) {
    self.value = value
    self.line = line
    self.column = column
  }

  /// The value under `key`, if this is a map that has it.
  public subscript(key: String) -> ConfigNode? {
    guard case .map(let entries) = value else { return nil }
    return entries.first { $0.key == key }?.value
  }
}

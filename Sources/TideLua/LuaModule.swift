/// The source of one file that a policy requires.
public struct LuaModule: Sendable {
  public var source: [UInt8]
  /// What errors call it: its path.
  public var chunkName: String

  public init(source: [UInt8], chunkName: String) {
    self.source = source
    self.chunkName = chunkName
  }
}

/// Why there is no such module, in words for the policy's author.
public struct LuaModuleMissing: Error, Sendable {
  public var message: String
  public init(_ message: String) { self.message = message }
}

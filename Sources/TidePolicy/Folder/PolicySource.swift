/// One policy's files as they were read together.
public struct PolicySource: Sendable {
  /// The name from its file: `word-filter` for `word-filter.lua` and for `word-filter/policy.lua`.
  public var name: String
  /// The main file's path.
  public var path: String
  public var text: [UInt8]
  /// What `require` may load: module name (`rules`, `data.words`) to its file.
  public var modules: [String: Module]
  /// The text is not the file's own: a test brought it.
  public var isReplaced = false
  /// Over the main file and all modules.
  public var hash: UInt64

  public struct Module: Sendable {
    public var path: String
    public var text: [UInt8]
  }

  public init(name: String, path: String, text: [UInt8], modules: [String: Module] = [:]) {
    self.name = name
    self.path = path
    self.text = text
    self.modules = modules
    var hash = ContentHash()
    hash.add(text)
    for key in modules.keys.sorted() {
      hash.add(Array(key.utf8))
      hash.add(modules[key]?.text ?? [])
    }
    self.hash = hash.value
  }
}

/// FNV-1a over contents, to see that a file has changed. No defence against someone who wants two files to look alike:
/// who may write the folder may run any policy.
public struct ContentHash: Sendable {
  public private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

  public init() {}

  public mutating func add(_ bytes: [UInt8]) {
    for byte in bytes { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }
    add(UInt64(bytes.count))
  }

  public mutating func add(_ number: UInt64) {
    for shift in stride(from: 0, to: 64, by: 8) {
      value = (value ^ (number >> UInt64(shift) & 0xFF)) &* 0x100_0000_01B3
    }
  }
}

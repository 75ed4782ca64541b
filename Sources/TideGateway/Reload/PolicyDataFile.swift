import TideConfig
import TideCore
import TidePolicy

/// Reads the YAML and JSON files that policies' configurations name.
enum PolicyDataFile {
  /// - Throws: what is wrong with the file, and where.
  @Sendable static func load(_ path: String) throws(Diagnostic) -> LoadedFile {
    guard let bytes = FileReader.read(path) else {
      throw Diagnostic(
        file: path, message: "cannot read the file", hint: "paths are relative to the configuration's folder")
    }
    let content = try YAMLDocument.parse(String(decoding: bytes, as: UTF8.self), file: path)
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return LoadedFile(content: content, hash: hash)
  }
}

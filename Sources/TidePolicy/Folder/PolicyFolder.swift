import TideCore

#if canImport(Glibc)
  import Glibc
#endif

/// Reads the folder of policies: `<name>.lua`, or `<name>/policy.lua` with `<name>/lib/*.lua`.
///
/// Names that begin with `_` or `.` are ignored, and tests (`*_test.lua`) are not policies.
public struct PolicyFolder: Sendable {
  public static let fileBytesMax = 1 << 20

  public let path: String
  /// Sorted by name.
  public private(set) var sources: [PolicySource] = []
  public private(set) var problems: [Diagnostic] = []
  /// Every file read, for whoever watches them.
  public private(set) var files: [String] = []

  /// Reads all of it. A folder that does not exist is empty and a problem.
  public init(path: String) {
    self.path = path
    guard let names = Self.list(path) else {
      let isFile = errno == ENOTDIR
      problems = [
        Diagnostic(
          file: path, message: "the folder of policies cannot be read: " + Self.lastError(),
          hint: isFile ? "this is a file: give the folder that it lies in" : "")
      ]
      return
    }
    for name in names where !Self.isIgnored(name) {
      let file = path + "/" + name
      if let policy = Self.stem(name), !policy.hasSuffix("_test") {
        read(policy, file, library: nil)
      } else if Self.isDirectory(file), Self.exists(file + "/policy.lua") {
        read(name, file + "/policy.lua", library: file + "/lib")
      }
    }
    sources.sort { $0.name < $1.name }
    for (first, second) in zip(sources, sources.dropFirst()) where first.name == second.name {
      problems.append(
        Diagnostic(file: second.path, message: "the policy \(second.name) exists twice", hint: first.path))
    }
  }

  /// Puts `text` in the place of the policy's main file, or adds a policy.
  public mutating func replace(_ name: String, with text: [UInt8], file: String) {
    if let index = sources.firstIndex(where: { $0.name == name }) {
      sources[index] = PolicySource(
        name: name, path: sources[index].path, text: text, modules: sources[index].modules)
      sources[index].isReplaced = true
    } else {
      sources.append(PolicySource(name: name, path: file, text: text))
      sources[sources.count - 1].isReplaced = true
      sources.sort { $0.name < $1.name }
    }
  }

  /// Without the policies whose names are not in `names`, and without problems of other files.
  public func keeping(_ names: Set<String>) -> PolicyFolder {
    var kept = self
    kept.sources.removeAll { !names.contains($0.name) }
    kept.problems.removeAll { problem in !kept.sources.contains { $0.path == problem.file } && problem.file != path }
    return kept
  }

  /// No folder at all: nothing can be bound.
  public init() { path = "" }

  /// Over the contents of all policies; equal hashes need no reload.
  public var hash: UInt64 {
    var hash = ContentHash()
    for source in sources {
      hash.add(Array(source.name.utf8))
      hash.add(source.hash)
    }
    hash.add(UInt64(problems.count))
    return hash.value
  }

  private mutating func read(_ name: String, _ file: String, library: String?) {
    files.append(file)
    guard let text = contents(file) else { return }
    var modules: [String: PolicySource.Module] = [:]
    if let library { readModules(library, prefix: "", into: &modules, depth: 0) }
    sources.append(PolicySource(name: name, path: file, text: text, modules: modules))
  }

  private mutating func readModules(
    _ folder: String, prefix: String, into modules: inout [String: PolicySource.Module], depth: Int
  ) {
    guard depth < 4, let names = Self.list(folder) else { return }
    for name in names where !Self.isIgnored(name) {
      let file = folder + "/" + name
      if let module = Self.stem(name) {
        files.append(file)
        if let text = contents(file) { modules[prefix + module] = PolicySource.Module(path: file, text: text) }
      } else if Self.isDirectory(file) {
        readModules(file, prefix: prefix + name + ".", into: &modules, depth: depth + 1)
      }
    }
  }

  private mutating func contents(_ file: String) -> [UInt8]? {
    do throws(Diagnostic) {
      return try Self.read(file)
    } catch {
      problems.append(error)
      return nil
    }
  }

  /// A file's bytes; at most `fileBytesMax`.
  public static func read(_ file: String) throws(Diagnostic) -> [UInt8] {
    let descriptor = open(file, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Diagnostic(file: file, message: "cannot be opened: " + lastError()) }
    defer { close(descriptor) }
    var result: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = block.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
      if count < 0 {
        if errno == EINTR { continue }
        throw Diagnostic(file: file, message: "cannot be read: " + lastError())
      }
      if count == 0 { return result }
      result.append(contentsOf: block[..<count])
      if result.count > fileBytesMax { throw Diagnostic(file: file, message: "is larger than 1 MiB") }
    }
  }

  private static func list(_ folder: String) -> [String]? {
    guard let directory = opendir(folder) else { return nil }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { raw in
        String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
      }
      names.append(name)
    }
    return names.sorted()
  }

  private static func isIgnored(_ name: String) -> Bool { name.hasPrefix(".") || name.hasPrefix("_") }

  private static func stem(_ name: String) -> String? {
    name.hasSuffix(".lua") ? String(name.dropLast(4)) : nil
  }

  private static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  private static func isDirectory(_ path: String) -> Bool {
    var info = stat()
    return stat(path, &info) == 0 && info.st_mode & S_IFMT == S_IFDIR
  }

  private static func lastError() -> String { String(cString: strerror(errno)) }
}

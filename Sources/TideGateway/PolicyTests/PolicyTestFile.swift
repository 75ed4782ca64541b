import Glibc
import TideCore
import TidePolicy

/// A file of tests and the policy that it stands beside.
public struct PolicyTestFile: Sendable {
  /// The policy's name.
  public var policy: String
  public var path: String

  /// What to write into a file that has no test.
  static let beginning = "begin with tide.test(\"what it does\", function(t) ... end)"

  /// Every test file of a folder, sorted by name: `<name>_test.lua` and `<name>/policy_test.lua`.
  static func find(in folder: String) -> [PolicyTestFile] {
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    var files: [PolicyTestFile] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      guard !name.hasPrefix("."), !name.hasPrefix("_") else { continue }
      if name.hasSuffix("_test.lua") {
        files.append(PolicyTestFile(policy: String(name.dropLast(9)), path: folder + "/" + name))
      } else if access(folder + "/" + name + "/policy_test.lua", R_OK) == 0 {
        files.append(PolicyTestFile(policy: name, path: folder + "/" + name + "/policy_test.lua"))
      }
    }
    return files.sorted { $0.policy < $1.policy }
  }
}

import Foundation
import TideCore

/// Reads a small text file, and says in plain words why it cannot.
enum FileText {
  static let byteLimit = 4 << 20

  static func read(_ path: String) -> Result<String, Diagnostic> {
    guard !FilePath.isFolder(path) else { return .failure(Diagnostic(file: path, message: "is a folder, not a file")) }
    guard let handle = FileHandle(forReadingAtPath: path) else {
      let exists = FilePath.isFile(path)
      return .failure(
        Diagnostic(file: path, message: exists ? "cannot be read: permission denied" : "no such file"))
    }
    defer { try? handle.close() }
    let data: Data
    do {
      data = try handle.read(upToCount: byteLimit + 1) ?? Data()
    } catch {
      return .failure(Diagnostic(file: path, message: "cannot be read"))
    }
    guard data.count <= byteLimit else {
      return .failure(Diagnostic(file: path, message: "is larger than \(byteLimit >> 20) MiB"))
    }
    guard let text = String(validating: data, as: UTF8.self) else {
      return .failure(Diagnostic(file: path, message: "is not UTF-8 text"))
    }
    return .success(text)
  }
}

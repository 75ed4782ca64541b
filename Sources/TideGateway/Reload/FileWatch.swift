import Glibc
import TideCore
import TideIO

/// Tells when the content of the watched files may have changed: inotify wakes it at once, and every two seconds it looks anyway,
/// because not every file system reports.
///
/// Content decides: a file that was written again as it was is no change. Used by the control thread alone.
struct FileWatch: ~Copyable {
  /// After the first sign of a change, this long without another before the files are read.
  static let debounceMs = 100
  static let pollMs = 2_000

  private let descriptor: Int32
  private var stamps: [String: FileStamp] = [:]
  private var digests: [String: [UInt8]] = [:]
  private var files: [String] = []
  private var folder: String?

  init() {
    descriptor = inotify_init1(Int32(IN_NONBLOCK) | Int32(IN_CLOEXEC))
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Readable when something happened; -1 when the system has no inotify to give.
  var pollDescriptor: Int32 { descriptor }

  /// Sets what is watched. Files that are new to the watch are remembered as they are now; of the others, and of a folder that was
  /// watched before, counts what `hasChanged` saw last: a build came after that, and what was saved during it is still to be told.
  ///
  /// - Parameters:
  ///   - files: the configuration file and whatever it and the policies read.
  ///   - folder: the policies' folder, watched with its subfolders.
  mutating func watch(files: [String], folder: String?) {
    let knownFiles = Set(self.files)
    let isNewFolder = folder != self.folder
    self.files = files
    self.folder = folder
    // Asked for again each time, which costs nothing: a folder may have been made anew under its old name.
    for directory in directories() {
      let mask = UInt32(
        IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB
      )
      inotify_add_watch(descriptor, directory, mask)
    }
    let present = stampFiles()
    stamps = stamps.filter { isWatched($0.key) }
    digests = digests.filter { isWatched($0.key) }
    for (path, stamp) in present where stamps[path] == nil {
      guard files.contains(path) ? !knownFiles.contains(path) : isNewFolder else { continue }
      stamps[path] = stamp
      digests[path] = digest(path)
    }
  }

  private func isWatched(_ path: String) -> Bool {
    files.contains(path) || folder.map { path.hasPrefix($0 + "/") && path.hasSuffix(".lua") } ?? false
  }

  /// Reads and drops what inotify has to say; true when it had anything.
  mutating func drainEvents() -> Bool {
    guard descriptor >= 0 else { return false }
    var any = false
    withUnsafeTemporaryAllocation(byteCount: 16 * 1024, alignment: 8) { buffer in
      while read(descriptor, buffer.baseAddress, buffer.count) > 0 { any = true }
    }
    return any
  }

  /// Whether any file's content differs from what was remembered, files that came or went included.
  mutating func hasChanged() -> Bool {
    let present = stampFiles()
    if present == stamps { return false }
    let changed = digestFiles(present)
    let differs = changed != digests
    stamps = present
    digests = changed
    return differs
  }

  private func directories() -> Set<String> {
    var result = Set<String>()
    for file in files { result.insert(parent(of: file)) }
    if let folder {
      result.insert(folder)
      for entry in list(folder) where isDirectory(folder + "/" + entry) {
        result.insert(folder + "/" + entry)
        let library = folder + "/" + entry + "/lib"
        if isDirectory(library) { result.insert(library) }
      }
    }
    return result
  }

  private func stampFiles() -> [String: FileStamp] {
    var result: [String: FileStamp] = [:]
    for file in files { result[file] = FileStamp(path: file) }
    guard let folder else { return result }
    for directory in directories() where directory == folder || directory.hasPrefix(folder + "/") {
      for entry in list(directory) where entry.hasSuffix(".lua") {
        let path = directory + "/" + entry
        result[path] = FileStamp(path: path)
      }
    }
    return result
  }

  private func digestFiles(_ stamps: [String: FileStamp]) -> [String: [UInt8]] {
    var result: [String: [UInt8]] = [:]
    for path in stamps.keys { result[path] = digest(path) }
    return result
  }

  private func digest(_ path: String) -> [UInt8] { FileReader.read(path).map { Digest.sha256($0) } ?? [] }

  private func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  private func isDirectory(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  private func list(_ directory: String) -> [String] {
    guard let handle = opendir(directory) else { return [] }
    defer { closedir(handle) }
    var names: [String] = []
    while let entry = readdir(handle) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if !name.hasPrefix(".") { names.append(name) }
    }
    return names
  }
}

/// What the file system says of a file without opening it.
struct FileStamp: Equatable {
  var device: UInt64
  var inode: UInt64
  var size: Int
  var seconds: Int
  var nanoseconds: Int

  /// Nil when there is no such file.
  init?(path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    device = UInt64(status.st_dev)
    inode = UInt64(status.st_ino)
    size = Int(status.st_size)
    seconds = status.st_mtim.tv_sec
    nanoseconds = status.st_mtim.tv_nsec
  }
}

/// Reads small files whole.
enum FileReader {
  static let byteCountMax = 16 << 20

  static func read(_ path: String) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var result: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 * 1024)
    while result.count <= byteCountMax {
      let count = Glibc.read(descriptor, &chunk, chunk.count)
      if count < 0 { return nil }
      if count == 0 { return result }
      result += chunk[0..<count]
    }
    return nil
  }
}

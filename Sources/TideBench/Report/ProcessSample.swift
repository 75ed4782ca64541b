import Glibc

/// CPU time and memory of a process, from `/proc`.
struct ProcessSample: Sendable {
  /// User and system time in seconds.
  var user = 0.0
  var system = 0.0
  var residentBytes = 0

  /// Nil when there is no such process.
  init?(of processID: Int32) {
    // The name of the program, in parentheses, may hold anything: fields are counted from the last one.
    guard let stat = Self.read("/proc/\(processID)/stat"), let close = stat.lastIndex(of: ")") else { return nil }
    let fields = stat[stat.index(after: close)...].split(separator: " ")
    guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { return nil }
    let ticks = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
    self.user = user / ticks
    self.system = system / ticks
    if let memory = Self.read("/proc/\(processID)/statm")?.split(separator: " "), memory.count > 1,
      let pages = Int(memory[1])
    {
      residentBytes = pages * sysconf(Int32(_SC_PAGESIZE))
    }
  }

  private static func read(_ path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = bytes.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
    return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
  }
}

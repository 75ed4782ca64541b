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
    guard let stat = ProcessFile.read("/proc/\(processID)/stat"), let close = stat.lastIndex(of: ")") else {
      return nil
    }
    let fields = stat[stat.index(after: close)...].split(separator: " ")
    guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { return nil }
    let ticks = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
    self.user = user / ticks
    self.system = system / ticks
    if let memory = ProcessFile.read("/proc/\(processID)/statm")?.split(separator: " "), memory.count > 1,
      let pages = Int(memory[1])
    {
      residentBytes = pages * sysconf(Int32(_SC_PAGESIZE))
    }
  }
}

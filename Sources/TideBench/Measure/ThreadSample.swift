import Glibc

/// How long the calling thread has run, and how long it has waited for a core although it could have run.
struct ThreadSample: Sendable {
  var runNs: UInt64
  var waitNs: UInt64

  init() {
    let fields = ProcessFile.read("/proc/thread-self/schedstat")?.split(separator: " ").compactMap { UInt64($0) } ?? []
    if fields.count >= 2 {
      runNs = fields[0]
      waitNs = fields[1]
    } else {
      // A kernel without scheduler statistics.
      var time = timespec()
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
      runNs = UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
      waitNs = 0
    }
  }
}

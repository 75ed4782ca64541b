#if canImport(Glibc)
  import Glibc
#endif

/// The time that the calling thread has spent on a processor.
enum ThreadClock {
  static var nanoseconds: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}

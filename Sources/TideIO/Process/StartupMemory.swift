import CLinux

/// Memory that only the start of the program needed.
public enum StartupMemory {
  /// Gives it back: free heap, and pages of the program's code. Most of those read a configuration, made a schema or printed a
  /// greeting, and will not run again; one that does is mapped again from the page cache. Once, when start-up is over.
  public static func release() { clinux_release_memory() }
}

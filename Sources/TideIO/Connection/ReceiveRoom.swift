import Glibc

/// What the kernel takes in for a connection while nobody reads it.
///
/// The kernel begins with 64 KiB and gives more to connections that it sees read often. Under full load a turn takes half a second, in which
/// hundreds of streams on one connection bring megabytes; some connections are never seen to need them, and fall behind by seconds, with
/// all of their streams.
public enum ReceiveRoom {
  /// For a connection of many streams, as SO_RCVBUF counts; the kernel doubles it for its own records. HTTP/2's windows bound what is used
  /// of it: 64 KiB a stream.
  public static let ofManyStreams: Int32 = 4 << 20

  /// `net.core.rmem_max`: what a process may ask for.
  static let limit: Int = {
    guard let file = fopen("/proc/sys/net/core/rmem_max", "re") else { return 0 }
    defer { fclose(file) }
    var text = [CChar](repeating: 0, count: 32)
    guard fgets(&text, Int32(text.count), file) != nil else { return 0 }
    return strtol(text, nil, 10)
  }()

  /// What to ask for; nil where the limit is so low that the kernel's own choice, which it does not bound, is better.
  static func request(_ wanted: Int32, limit: Int = Self.limit) -> Int32? {
    limit >= Int(wanted) / 2 ? wanted : nil
  }
}

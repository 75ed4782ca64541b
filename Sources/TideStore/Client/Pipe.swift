import Glibc

/// Wakes a thread that polls. Neither end blocks.
final class Pipe: Sendable {
  let read: Int32
  private let write: Int32

  init() {
    var ends: [Int32] = [-1, -1]
    precondition(pipe(&ends) == 0, "no pipe for the store's thread")
    for end in ends {
      _ = fcntl(end, F_SETFL, O_NONBLOCK)
      _ = fcntl(end, F_SETFD, FD_CLOEXEC)
    }
    (read, write) = (ends[0], ends[1])
  }

  deinit {
    close(read)
    close(write)
  }

  func signal() {
    var byte: UInt8 = 0
    // A pipe that is full wakes as well.
    _ = Glibc.write(write, &byte, 1)
  }

  func drain() {
    var bytes = [UInt8](repeating: 0, count: 256)
    while Glibc.read(read, &bytes, bytes.count) == bytes.count {}
  }
}

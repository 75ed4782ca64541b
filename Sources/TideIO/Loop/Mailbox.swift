import CLinux
import Glibc

/// The only inlet of a worker from other threads: messages in order, and an eventfd that wakes the poller.
final class Mailbox: Sendable {
  typealias Message = @Sendable (Worker) -> Void

  let descriptor: Int32
  private let messages = Locked<[Message]>([])

  init() {
    descriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
    precondition(descriptor >= 0, "no eventfd for a worker's mailbox: \(SocketFailure.text(of: errno))")
  }

  deinit { close(descriptor) }

  func post(_ message: @escaping Message) {
    let wasEmpty = messages.withLock { list in
      list.append(message)
      return list.count == 1
    }
    if wasEmpty { wake() }
  }

  func wake() { eventfd_write(descriptor, 1) }

  /// All messages so far; resets the eventfd first, so that none posted later goes unnoticed.
  func take() -> [Message] {
    var count: eventfd_t = 0
    eventfd_read(descriptor, &count)
    return messages.withLock { list in
      let taken = list
      list = []
      return taken
    }
  }
}

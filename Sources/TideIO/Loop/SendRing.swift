import CLinux
import Glibc

/// The sends of many connections, gathered while a worker flushes and handed to the kernel in one system call.
///
/// Bytes wait in the worker's `scratch` from `add` to `submit`, and the kernel is done with them when `submit` returns. Each connection
/// is in here once at most; one that wants to write again, or closes, has its bytes sent first. Owned by one worker; the ring belongs to
/// its thread alone.
final class SendRing {
  static let capacity = 64
  /// How many connections have something to send where the ring is worth while. Fewer are cheaper one by one; more are too many to
  /// gather (see `Worker.isCrowded`).
  static let worthwhile = 4...512
  /// Bytes gathered before they leave: what has just been written is read again from the nearest cache.
  static let byteLimit = 32 << 10
  /// The kernel has not tried this send (`CLINUX_NOT_SENT`).
  static let notSent = Int32.min

  private let ring: OpaquePointer
  private let sends: UnsafeMutablePointer<clinux_send>
  private var count = 0
  /// Bytes of `scratch` in use.
  private(set) var byteCount = 0
  /// An errno value once the kernel has refused a batch: from then on every send goes by itself.
  private(set) var failure: Int32 = 0
  /// How many batches the kernel took.
  private(set) var batchCount: UInt64 = 0

  /// nil when the kernel has no io_uring, or does not allow it; `errno` says why. The calling thread is the one that
  /// may use it.
  init?(entering enter: @convention(c) (Int32, UInt32, UInt32) -> Int32 = clinux_ring_enter_kernel) {
    guard let ring = clinux_send_ring_open(UInt32(Self.capacity), enter) else { return nil }
    self.ring = ring
    sends = .allocate(capacity: Self.capacity)
  }

  deinit {
    clinux_send_ring_close(ring)
    sends.deallocate()
  }

  var isFull: Bool { count == Self.capacity || byteCount >= Self.byteLimit }

  @inline(__always)
  func add(_ connection: SocketConnection, _ bytes: UnsafeRawBufferPointer, at offset: Int) {
    sends[count] = clinux_send(
      owner: Unmanaged.passUnretained(connection).toOpaque(), bytes: bytes.baseAddress,
      byte_count: UInt32(truncatingIfNeeded: bytes.count), descriptor: connection.descriptor, result: Self.notSent)
    count += 1
    byteCount = offset + bytes.count
  }

  /// Sends what `connection` has in here by itself, since it closes. What the socket does not take is lost.
  func sendLast(of connection: SocketConnection) {
    let owner = Unmanaged.passUnretained(connection).toOpaque()
    guard let position = (0..<count).first(where: { sends[$0].owner == owner }) else { return }
    _ = send(connection.descriptor, sends[position].bytes, Int(sends[position].byte_count), 0)
    count -= 1
    for later in position..<count { sends[later] = sends[later + 1] }
  }

  /// Sends everything, then tells each connection how much its socket took.
  func submit() {
    guard count > 0 else { return }
    let submitted = count
    count = 0
    byteCount = 0
    if submitted >= Self.worthwhile.lowerBound, failure == 0 {
      failure = clinux_send_ring_run(ring, sends, UInt32(truncatingIfNeeded: submitted))
      if failure == 0 { batchCount &+= 1 }
    }
    for position in 0..<submitted {
      let done = sends[position]
      guard let owner = done.owner else { continue }
      Unmanaged<SocketConnection>.fromOpaque(owner)._withUnsafeGuaranteedRef {
        $0.sendCompleted(done.result, UnsafeRawBufferPointer(start: done.bytes, count: Int(done.byte_count)))
      }
    }
  }
}

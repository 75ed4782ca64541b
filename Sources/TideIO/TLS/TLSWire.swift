import COpenSSL

/// What the TLS sessions of one worker read from and write to, one at a time: the socket of the connection whose session is called, and
/// room for the records that it makes. OpenSSL itself never sends: what it has written by the end of a call is the connection's to send,
/// so that many records leave in one write, and those of many connections together.
///
/// Owned by one worker, and outlives its sessions.
final class TLSWire {
  /// One for the process; OpenSSL counts no references to it.
  nonisolated(unsafe) private static let method: OpaquePointer? = copenssl_wire_method()

  private let wire: UnsafeMutablePointer<copenssl_wire>

  init() {
    wire = .allocate(capacity: 1)
    wire.initialize(to: copenssl_wire())
  }

  deinit { wire.deallocate() }

  /// Whether `session` reads and writes here from now on; false without memory for it.
  func attach(to session: OpaquePointer) -> Bool {
    guard let method = Self.method else { return false }
    return copenssl_attach_wire(session, method, wire) == 1
  }

  /// How far a session may read from its socket.
  enum Reading {
    /// It shall not: what it took here would be missed by those who wait for the poller to tell of it.
    case none
    /// Until a read comes back short, since the poller will tell of more.
    case untilShort
    /// Until the socket has no more, or is at its end.
    case untilRefused
  }

  /// Before each call of a session.
  ///
  /// - Parameters:
  ///   - descriptor: its connection's.
  ///   - room: for records, empty so far.
  @inline(__always)
  func use(_ descriptor: Int32, reading: Reading, room: UnsafeMutableRawBufferPointer) {
    wire.pointee.descriptor = descriptor
    wire.pointee.is_dry = reading == .none ? 1 : 0
    wire.pointee.runs_dry = reading == .untilShort ? 1 : 0
    wire.pointee.is_ended = 0
    wire.pointee.records = room.baseAddress?.assumingMemoryBound(to: UInt8.self)
    wire.pointee.record_capacity = room.count
    wire.pointee.record_count = 0
  }

  /// Lets the session read after all, until the socket has no more.
  func allowReading() { wire.pointee.is_dry = 0 }

  /// What the session has written since `use`, or since the last call. Others take the same place.
  func takeRecords() -> UnsafeRawBufferPointer {
    let taken = UnsafeRawBufferPointer(start: wire.pointee.records, count: wire.pointee.record_count)
    wire.pointee.record_count = 0
    return taken
  }
}

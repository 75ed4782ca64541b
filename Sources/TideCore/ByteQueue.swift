#if canImport(Glibc)
  import Glibc
#endif

/// A growable first-in first-out run of bytes: what one side has produced and the other has not taken yet.
///
/// Owned by one worker. Bytes are appended at the tail and consumed from the head; storage is released as soon as the
/// queue runs empty and had grown past `keptCapacity`, so that an idle stream costs a small buffer at most.
public struct ByteQueue: ~Copyable {
  /// Storage up to this size survives running empty, so that a token stream does not allocate for every token, nor one that gets a dozen at a
  /// time because the machine is full: storage that comes and goes for thousands of streams costs page faults as well.
  public static let keptCapacity = 4096
  /// Up to here storage grows by four, then by two.
  private static let steepCapacity = 16 * 1024

  private var base: UnsafeMutableRawPointer?
  private var capacity = 0
  private var head = 0
  private var tail = 0

  public init() {}

  deinit { free(base) }

  public var byteCount: Int { tail &- head }
  public var isEmpty: Bool { tail == head }

  /// The readable bytes. Valid until the next mutation.
  @inline(__always)
  public var readableBytes: UnsafeRawBufferPointer {
    guard let base else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    return UnsafeRawBufferPointer(start: base + head, count: tail &- head)
  }

  /// Where the next byte will stand, unless room must be made first; nil without storage. To be fetched into the cache, not written to.
  @inline(__always)
  public var writingPosition: UnsafeRawPointer? { base.map { UnsafeRawPointer($0 + tail) } }

  /// Runs `body` with the readable bytes.
  public borrowing func withBytes<R>(_ body: (RawSpan) throws -> R) rethrows -> R {
    try body(readableBytes.bytes)
  }

  public mutating func append(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count > 0, let source = bytes.baseAddress else { return }
    makeRoom(bytes.count)
    memcpy(base! + tail, source, bytes.count)
    tail &+= bytes.count
  }

  public mutating func append(_ bytes: RawSpan) {
    bytes.withUnsafeBytes { append($0) }
  }

  public mutating func append(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { append($0) }
  }

  public mutating func append(_ string: StaticString) {
    append(UnsafeRawBufferPointer(start: string.utf8Start, count: string.utf8CodeUnitCount))
  }

  public mutating func append(_ string: String) {
    var copy = string
    copy.withUTF8 { append(UnsafeRawBufferPointer($0)) }
  }

  public mutating func append(byte: UInt8) {
    makeRoom(1)
    base!.storeBytes(of: byte, toByteOffset: tail, as: UInt8.self)
    tail &+= 1
  }

  /// Appends up to `count` bytes written in place by `body`, which returns how many it wrote.
  public mutating func append(upTo count: Int, _ body: (UnsafeMutableRawBufferPointer) -> Int) {
    makeRoom(count)
    let written = body(UnsafeMutableRawBufferPointer(start: base! + tail, count: count))
    precondition(written >= 0 && written <= count, "a writer overran its buffer")
    tail &+= written
  }

  /// Takes the last bytes back, so that `count` are left.
  public mutating func truncate(to count: Int) {
    precondition(count >= 0 && count <= byteCount, "a queue cannot be cut to more than it holds")
    tail = head &+ count
    if head == tail { rewind() }
  }

  /// Drops `count` bytes from the head.
  public mutating func consume(_ count: Int) {
    precondition(count >= 0 && count <= byteCount, "consumed more than the queue holds")
    head &+= count
    if head == tail { rewind() }
  }

  /// Moves up to `destination.count` bytes out of the queue and returns how many were moved.
  public mutating func move(into destination: UnsafeMutableRawBufferPointer) -> Int {
    let count = min(byteCount, destination.count)
    guard count > 0 else { return 0 }
    memcpy(destination.baseAddress!, base! + head, count)
    consume(count)
    return count
  }

  public mutating func removeAll() {
    head = 0
    tail = 0
    rewind()
  }

  private mutating func rewind() {
    head = 0
    tail = 0
    if capacity > Self.keptCapacity {
      free(base)
      base = nil
      capacity = 0
    }
  }

  private mutating func makeRoom(_ count: Int) {
    if capacity &- tail >= count { return }
    let used = tail &- head
    if head > 0, capacity &- used >= count, head >= used {
      memmove(base!, base! + head, used)
    } else {
      var grown = max(capacity, 256)
      // Few steps on the way, each of which copies all there is.
      while grown &- used < count { grown &*= grown < Self.steepCapacity ? 4 : 2 }
      let fresh = malloc(grown)!
      if used > 0 { memcpy(fresh, base! + head, used) }
      free(base)
      base = fresh
      capacity = grown
    }
    head = 0
    tail = used
  }
}

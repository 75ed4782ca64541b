import CPrefetch
import TideCore

/// Has the processor fetch what the next DATA frames of a read will touch, while those before them are handled.
///
/// An engine's connection carries hundreds of streams, and a read brings a frame or two of each. What a frame touches, from its stream to
/// the queue of the client's, was last touched hundreds of frames ago and is in no near cache: the processor would wait for it, one line
/// after the other (the benchmark's 15,000 streams show it). What is several steps away is fetched in as many steps, each some
/// frames after the one that made its address known.
///
/// Owned by one client session. It reads streams that the session's table holds while a read lasts, and calls their consumers; it changes
/// nothing. A frame that it takes for another costs time alone.
final class DataAhead {
  /// How many frames before its own a stream gets each step: long enough for memory to answer, short enough that the nearest cache
  /// still has it then.
  private static let streamLead = 12
  private static let consumerLead = 9
  private static let soonLead = 6
  private static let nextLead = 3
  /// More than `streamLead`, and a power of two.
  private static let ringSize = 16

  /// A shorter read has a frame or two, for which nothing is fetched in time.
  private static let leastByteCount = 1024

  /// Bytes from the beginning of each that a frame reads and writes.
  private static let consumerByteCount = 192

  private let table: StreamTable
  private var cursor = FrameCursor()
  private var bytes = UnsafeRawBufferPointer(start: nil, count: 0)
  private var offset = 0
  /// Of the frames ahead, each in the place of its ordinal; valid in one read.
  private var ids = InlineArray<16, Int32>(repeating: 0)
  private var streams = InlineArray<16, Unmanaged<HTTPStream>?>(repeating: nil)
  /// Whether this read has frames enough to look ahead.
  private var isLooking = false
  // Frames of this read: that the session has come to, that the cursor has found, that have had each step.
  private var begunCount = 0
  private var foundCount = 0
  private var fetchedCount = 0
  private var soonCount = 0
  private var nextCount = 0

  /// - Parameter table: the session's streams; no stream may be taken out of memory while a read lasts.
  init(_ table: StreamTable) { self.table = table }

  /// A read begins.
  func begin(_ bytes: UnsafeRawBufferPointer) {
    self.bytes = bytes
    offset = 0
    isLooking = bytes.count >= Self.leastByteCount
    guard isLooking else { return }
    begunCount = 0
    foundCount = 0
    fetchedCount = 0
    soonCount = 0
    nextCount = 0
    while findNext() {}
    while fetchConsumer() {}
    while tellSoon() {}
    while tellNext() {}
  }

  /// The session has come to a DATA frame that is not empty. Of those on streams that are closed it may say nothing.
  @inline(__always)
  func frameBegins(_ id: Int32) {
    guard isLooking else { return }
    while begunCount < foundCount {
      let isIt = ids[begunCount & (Self.ringSize - 1)] == id
      begunCount &+= 1
      _ = findNext()
      _ = fetchConsumer()
      _ = tellSoon()
      _ = tellNext()
      if isIt { return }
    }
  }

  /// The read is over: its objects may go now.
  func end() {
    while cursor.next(in: bytes, from: &offset) != nil {}
    bytes = UnsafeRawBufferPointer(start: nil, count: 0)
  }

  // Each does one step for one frame, and says whether there was one to do it for.

  @inline(__always)
  private func findNext() -> Bool {
    guard foundCount &- begunCount < Self.streamLead, let id = cursor.next(in: bytes, from: &offset) else {
      return false
    }
    let stream = table[id]
    cprefetch(stream?.toOpaque(), HTTPStream.byteCount)
    ids[foundCount & (Self.ringSize - 1)] = id
    streams[foundCount & (Self.ringSize - 1)] = stream
    foundCount &+= 1
    return true
  }

  @inline(__always)
  private func fetchConsumer() -> Bool {
    guard fetchedCount < foundCount, fetchedCount &- begunCount < Self.consumerLead else { return false }
    streams[fetchedCount & (Self.ringSize - 1)]?._withUnsafeGuaranteedRef {
      cprefetch($0.consumerAddress, Self.consumerByteCount)
    }
    fetchedCount &+= 1
    return true
  }

  @inline(__always)
  private func tellSoon() -> Bool {
    guard soonCount < fetchedCount, soonCount &- begunCount < Self.soonLead else { return false }
    tell(streams[soonCount & (Self.ringSize - 1)], .soon)
    soonCount &+= 1
    return true
  }

  @inline(__always)
  private func tellNext() -> Bool {
    guard nextCount < soonCount, nextCount &- begunCount < Self.nextLead else { return false }
    tell(streams[nextCount & (Self.ringSize - 1)], .next)
    nextCount &+= 1
    return true
  }

  @inline(__always)
  private func tell(_ stream: Unmanaged<HTTPStream>?, _ distance: BodyDistance) {
    guard let stream, let consumer = stream._withUnsafeGuaranteedRef({ $0.consumerAddress }) else { return }
    Unmanaged<StreamConsumer>.fromOpaque(consumer)._withUnsafeGuaranteedRef { $0.bodyIsNear(distance) }
  }
}

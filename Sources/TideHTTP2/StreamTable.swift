import TideCore

/// Streams of one client connection by their identifiers, found in one step; some are missing.
///
/// Nothing is retained: whoever puts a stream in takes it out before it goes.
///
/// Identifiers of a connection's requests count up by two, so that those that run lie close together: each has the place that its
/// number says, and of two that would have the same the younger has it.
final class StreamTable {
  struct Entry {
    var id: Int32 = 0
    var stream: Unmanaged<HTTPStream>?
  }

  private static let leastSize = 64

  private var entries: ContiguousArray<Entry> = []
  private var count = 0

  /// Places, of which at most half are taken.
  var size: Int { entries.count }

  func insert(_ stream: HTTPStream) {
    if count &* 2 >= entries.count { grow() }
    let slot = slot(of: stream.id)
    if entries[slot].stream == nil { count += 1 }
    entries[slot] = Entry(id: stream.id, stream: .passUnretained(stream))
  }

  func remove(_ stream: HTTPStream) {
    guard !entries.isEmpty else { return }
    let slot = slot(of: stream.id)
    guard entries[slot].id == stream.id else { return }
    entries[slot] = Entry()
    count -= 1
  }

  func removeAll() {
    entries = []
    count = 0
  }

  @inline(__always)
  subscript(id: Int32) -> Unmanaged<HTTPStream>? {
    guard !entries.isEmpty else { return nil }
    let entry = entries[slot(of: id)]
    return entry.id == id ? entry.stream : nil
  }

  @inline(__always)
  private func slot(of id: Int32) -> Int { Int(id >> 1) & (entries.count &- 1) }

  private func grow() {
    let old = entries
    entries = ContiguousArray(repeating: Entry(), count: max(Self.leastSize, old.count * 2))
    // Two that had places of their own have them still: the number now counts with one bit more.
    for entry in old where entry.stream != nil { entries[slot(of: entry.id)] = entry }
  }
}

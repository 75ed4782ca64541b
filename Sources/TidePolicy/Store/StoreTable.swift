import TideCore

/// One shard's entries under their bounds. Pure: whoever holds the lock brings the clock.
///
/// A space may fill half of it, so that no policy takes the room that another's limits need.
struct StoreTable {
  struct Entry {
    var value: SharedStore.Value
    var expiry: MonotonicTime
    /// Where its key stands in `keys`.
    fileprivate var place: Int
  }

  private struct Usage {
    var count = 0
    var byteCount = 0
  }

  /// What an entry costs besides the bytes of its key and value, about.
  static let entryBytes = 128
  private static let sampleCount = 16
  private static let sampleRounds = 16

  private(set) var entries: [SharedStore.Key: Entry] = [:]
  /// Every key once, in no order, so that a few can be drawn anywhere.
  private var keys: [SharedStore.Key] = []
  /// Where the next draw begins.
  private var hand = 0
  private var total = Usage()
  private var usage: [UInt32: Usage] = [:]
  private let keysMax: Int
  private let bytesMax: Int
  private var lastSweep = MonotonicTime.zero

  init(keysMax: Int, bytesMax: Int) {
    self.keysMax = keysMax
    self.bytesMax = bytesMax
  }

  /// The entry, unless it has expired.
  mutating func live(_ key: SharedStore.Key, _ now: MonotonicTime) -> Entry? {
    guard let entry = entries[key] else { return nil }
    guard entry.expiry > now else {
      remove(key)
      return nil
    }
    return entry
  }

  /// False when there is no room; what stood there before then stays.
  mutating func put(
    _ key: SharedStore.Key, _ value: SharedStore.Value, _ expiry: MonotonicTime, _ now: MonotonicTime
  ) -> Bool {
    let old = entries[key]
    let change = Usage(
      count: old == nil ? 1 : 0, byteCount: cost(key, value) - (old.map { cost(key, $0.value) } ?? 0))
    guard makeRoom(for: key, change, now) else { return false }
    // The room may have been made by other entries' moves: the place is looked up again.
    let place = entries[key]?.place ?? keys.count
    if place == keys.count { keys.append(key) }
    entries[key] = Entry(value: value, expiry: expiry, place: place)
    account(key.space, change)
    return true
  }

  mutating func remove(_ key: SharedStore.Key) {
    guard let old = entries.removeValue(forKey: key), let last = keys.popLast() else { return }
    if last != key {
      keys[old.place] = last
      entries[last]?.place = old.place
    }
    account(key.space, Usage(count: -1, byteCount: -cost(key, old.value)))
  }

  private func cost(_ key: SharedStore.Key, _ value: SharedStore.Value) -> Int {
    key.text.utf8.count + value.byteCount + Self.entryBytes
  }

  private mutating func account(_ space: UInt32, _ change: Usage) {
    total.count += change.count
    total.byteCount += change.byteCount
    usage[space, default: Usage()].count += change.count
    usage[space, default: Usage()].byteCount += change.byteCount
    if usage[space]?.count == 0 { usage[space] = nil }
  }

  // MARK: Room

  private func hasRoom(_ change: Usage) -> Bool {
    total.count + change.count <= keysMax && total.byteCount + change.byteCount <= bytesMax
  }

  private func hasRoom(_ space: UInt32, _ change: Usage) -> Bool {
    let used = usage[space] ?? Usage()
    return used.count + change.count <= (keysMax + 1) / 2 && used.byteCount + change.byteCount <= bytesMax / 2
  }

  private mutating func makeRoom(for key: SharedStore.Key, _ change: Usage, _ now: MonotonicTime) -> Bool {
    if change.count <= 0 && change.byteCount <= 0 || hasRoom(change) && hasRoom(key.space, change) { return true }
    // A sweep costs the table's length, so a flood of new keys must not cause one each time.
    if now.milliseconds(since: lastSweep) >= 1_000 {
      lastSweep = now
      for (other, entry) in entries where entry.expiry <= now && other != key { remove(other) }
    }
    while !hasRoom(key.space, change) {
      guard let victim = victim(sparing: key, space: key.space) else { return false }
      remove(victim)
    }
    while !hasRoom(change) {
      guard let victim = victim(sparing: key, space: nil) else { return false }
      remove(victim)
    }
    return true
  }

  /// The nearest to its expiry of a few: for a limit that is the one that binds least. What never expires stays.
  private mutating func victim(sparing key: SharedStore.Key, space: UInt32?) -> SharedStore.Key? {
    for _ in 0..<Self.sampleRounds {
      guard !keys.isEmpty else { return nil }
      var best: (key: SharedStore.Key, expiry: MonotonicTime)?
      for _ in 0..<min(Self.sampleCount, keys.count) {
        hand = hand + 1 < keys.count ? hand + 1 : 0
        let candidate = keys[hand]
        guard candidate != key, space == nil || candidate.space == space, let entry = entries[candidate],
          entry.expiry < best?.expiry ?? .distantFuture
        else { continue }
        best = (candidate, entry.expiry)
      }
      if let best { return best.key }
    }
    return nil
  }
}

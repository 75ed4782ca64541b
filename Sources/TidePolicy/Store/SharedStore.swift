import Synchronization
import TideCore

/// The process's memory for policies: `tide.shared` and the limits. It outlives reloads and aborted machines, so no
/// counter is lost.
///
/// The gateway's one lock: 64 shards, each a map behind a mutex, taken only when a policy calls. Keys and bytes are
/// bounded and entries expire, so that no client can make it grow; over the bound an entry near its expiry goes first. One space
/// fills at most half.
public final class SharedStore: Sendable {
  enum Value: Sendable, Equatable {
    case integer(Int)
    case number(Double)
    case boolean(Bool)
    case bytes([UInt8])
    /// Of a budget of tokens; never in a space that scripts read.
    case ledger(TokenBudget.Ledger)

    var byteCount: Int {
      switch self {
      case .bytes(let bytes): bytes.count
      case .ledger(let ledger): ledger.spent.count * 8
      case .integer, .number, .boolean: 0
      }
    }
  }

  public enum StoreError: Error, Equatable {
    /// Neither expired nor evictable entries are left to make room.
    case full
    case notANumber
    case tooLarge

    public var message: String {
      switch self {
      case .full: "the shared store is full"
      case .notANumber: "the stored value is not a number"
      case .tooLarge: "a value is longer than 64 KiB or a key longer than 512 bytes"
      }
    }
  }

  /// One owner's keys: a binding's, or those that bindings share.
  public struct Space: Sendable, Hashable {
    let id: UInt32
  }

  static let shardCount = 64
  static let valueBytesMax = 64 << 10
  static let keyBytesMax = 512

  private let shards: [Shard]
  private let spaces = Mutex<[String: UInt32]>([:])
  public let metrics = PolicyMetrics()
  let concurrency = ConcurrencyTable()

  /// - Parameters:
  ///   - keysMax: over all shards.
  ///   - bytesMax: of keys and values over all shards.
  public init(keysMax: Int = 1_000_000, bytesMax: Int = 128 << 20) {
    let keys = max(1, keysMax / Self.shardCount)
    let bytes = max(4096, bytesMax / Self.shardCount)
    shards = (0..<Self.shardCount).map { _ in Shard(keysMax: keys, bytesMax: bytes) }
  }

  /// The space called `name`; the same one for the life of the process.
  public func space(_ name: String) -> Space {
    spaces.withLock { spaces in
      if let id = spaces[name] { return Space(id: id) }
      let id = UInt32(spaces.count)
      spaces[name] = id
      return Space(id: id)
    }
  }

  public var keyCount: Int { shards.reduce(0) { $0 + $1.table.withLock { $0.entries.count } } }

  func get(_ space: Space, _ key: String, now: MonotonicTime) -> Value? {
    let key = Key(space: space.id, text: key)
    return shard(key).table.withLock { $0.live(key, now)?.value }
  }

  /// - Parameter ttlMs: nil keeps the value until it is deleted.
  func set(_ space: Space, _ key: String, _ value: Value, ttlMs: Int?, now: MonotonicTime) throws(StoreError) {
    let key = Key(space: space.id, text: key)
    try check(key, value)
    let expiry = ttlMs.map { now.advanced(byMs: max(0, $0)) } ?? .distantFuture
    guard shard(key).table.withLock({ $0.put(key, value, expiry, now) }) else { throw .full }
  }

  /// Adds `amount` to a number, from 0 when it is absent, and returns the sum. A ttl is set when the entry is made, not
  /// renewed.
  func increment(
    _ space: Space, _ key: String, by amount: Int, ttlMs: Int?, now: MonotonicTime
  ) throws(StoreError) -> Int {
    let key = Key(space: space.id, text: key)
    try check(key, .integer(0))
    let result: Result<Int, StoreError> = shard(key).table.withLock { table in
      if let entry = table.live(key, now) {
        guard case .integer(let old) = entry.value else { return .failure(.notANumber) }
        let (sum, overflow) = old.addingReportingOverflow(amount)
        let new = overflow ? (amount > 0 ? Int.max : Int.min) : sum
        return table.put(key, .integer(new), entry.expiry, now) ? .success(new) : .failure(.full)
      }
      let expiry = ttlMs.map { now.advanced(byMs: max(0, $0)) } ?? .distantFuture
      return table.put(key, .integer(amount), expiry, now) ? .success(amount) : .failure(.full)
    }
    return try result.get()
  }

  /// Replaces `expected` (nil: absent) by `value` (nil: removed); false when something else stands there.
  func compareAndSet(
    _ space: Space, _ key: String, expected: Value?, _ value: Value?, ttlMs: Int?, now: MonotonicTime
  ) throws(StoreError) -> Bool {
    let key = Key(space: space.id, text: key)
    try check(key, value ?? .integer(0))
    let result: Result<Bool, StoreError> = shard(key).table.withLock { table in
      guard table.live(key, now)?.value == expected else { return .success(false) }
      guard let value else {
        table.remove(key)
        return .success(true)
      }
      let expiry = ttlMs.map { now.advanced(byMs: max(0, $0)) } ?? .distantFuture
      return table.put(key, value, expiry, now) ? .success(true) : .failure(.full)
    }
    return try result.get()
  }

  public func delete(_ space: Space, _ key: String) {
    let key = Key(space: space.id, text: key)
    shard(key).table.withLock { $0.remove(key) }
  }

  /// Takes `amount` from the limit under `key`, exactly, whichever workers ask at the same time.
  public func take(
    _ space: Space, _ key: String, amount: Int, limit: RateLimit, now: MonotonicTime
  ) throws(StoreError) -> RateLimit.Decision {
    let key = Key(space: space.id, text: key)
    try check(key, .integer(0))
    let result: Result<RateLimit.Decision, StoreError> = shard(key).table.withLock { table in
      var arrival = now.nanoseconds
      if case .integer(let stored)? = table.live(key, now)?.value { arrival = UInt64(clamping: stored) }
      let (decision, next) = limit.take(amount, arrival: arrival, now: now.nanoseconds)
      // A limit that was used at its full rate again is as good as unused: that is when its entry expires.
      if decision.isAllowed, amount > 0,
        !table.put(key, .integer(Int(clamping: next)), MonotonicTime(nanoseconds: next), now)
      {
        return .failure(.full)
      }
      return .success(decision)
    }
    return try result.get()
  }

  func check(_ key: Key, _ value: Value) throws(StoreError) {
    guard key.text.utf8.count <= Self.keyBytesMax, value.byteCount <= Self.valueBytesMax else { throw .tooLarge }
  }

  func shard(_ key: Key) -> Shard {
    shards[Int(truncatingIfNeeded: UInt(bitPattern: key.hashValue) >> 7) & (Self.shardCount - 1)]
  }

  struct Key: Hashable {
    var space: UInt32
    var text: String
  }

  final class Shard: Sendable {
    let table: Mutex<StoreTable>
    init(keysMax: Int, bytesMax: Int) { table = Mutex(StoreTable(keysMax: keysMax, bytesMax: bytesMax)) }
  }
}

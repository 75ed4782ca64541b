import TideLua
import TideRegex

/// The patterns that one machine's scripts made: each compiled once, kept by what it says.
///
/// Patterns made while loading stay as long as the machine. Those made in a hook share what room is left, and the one that
/// was not used for longest goes first; a script that kept it is told so. Owned by one worker.
struct PatternTable {
  struct Key: Hashable {
    var pattern: String
    var flags: RegexFlags
  }

  /// One pattern and what matching with it has left in memory.
  final class Entry {
    let matcher: RegexMatcher
    let key: Key
    let isLasting: Bool
    fileprivate var lastUse: UInt64 = 0
    fileprivate var stateBytes = 0

    init(_ program: RegexProgram, _ key: Key, isLasting: Bool) {
      matcher = RegexMatcher(program)
      self.key = key
      self.isLasting = isLasting
    }
  }

  static let lastingMax = 1_024
  static let passingMax = 256

  private var entries: LuaHandleTable<Entry>
  private var known: [Key: LuaHandle] = [:]
  private var lastingBytes = 0
  private var passingBytes = 0
  private var passingCount = 0
  private var stateBytes = 0
  private var clock: UInt64 = 0
  /// Of the programs, of those made in hooks, and of their states: each.
  private let bytesMax: Int

  init(kind: UInt16, bytesMax: Int) {
    entries = LuaHandleTable(kind: kind)
    self.bytesMax = bytesMax
  }

  /// What all of it takes in memory, about.
  var byteCount: Int { lastingBytes + passingBytes + stateBytes }

  /// The pattern behind an object; nil when it had to go.
  mutating func entry(_ handle: LuaHandle) -> Entry? {
    guard let entry = entries[handle] else { return nil }
    clock += 1
    entry.lastUse = clock
    return entry
  }

  /// Finds or compiles a pattern.
  ///
  /// - Parameter isLoading: it stays, and may be large.
  mutating func handle(_ key: Key, isLoading: Bool) throws(HostError) -> LuaHandle {
    if let handle = known[key], let entry = entry(handle), entry.isLasting || !isLoading { return handle }
    let program: RegexProgram
    do throws(RegexSyntaxError) {
      program = try RegexProgram(key.pattern, flags: key.flags, limits: isLoading ? .standard : .small)
    } catch {
      let advice = error.offset == nil && !isLoading ? "; make it while loading, where more is allowed" : ""
      throw HostError("tide.re: \(error.description)\(advice)")
    }
    if isLoading {
      guard entries.capacity < Self.lastingMax, lastingBytes + program.byteCount <= bytesMax else {
        throw HostError("tide.re: the policy's patterns take more memory than it may; join them with |")
      }
      lastingBytes += program.byteCount
    } else {
      passingBytes += program.byteCount
      passingCount += 1
      while passingCount > Self.passingMax || passingBytes > bytesMax, dropOldest() {}
    }
    let handle = entries.insert(Entry(program, key, isLasting: isLoading))
    known[key] = handle
    _ = entry(handle)
    return handle
  }

  private mutating func dropOldest() -> Bool {
    var oldest: (handle: LuaHandle, entry: Entry)?
    for handle in known.values {
      guard let entry = entries[handle], !entry.isLasting, entry.lastUse < oldest?.entry.lastUse ?? .max else {
        continue
      }
      oldest = (handle, entry)
    }
    guard let oldest else { return false }
    known[oldest.entry.key] = nil
    entries.remove(oldest.handle)
    passingBytes -= oldest.entry.matcher.program.byteCount
    passingCount -= 1
    stateBytes -= oldest.entry.stateBytes
    return true
  }

  /// To be told after a pattern has matched: its states may have grown.
  mutating func noteUse(of entry: Entry) {
    let bytes = entry.matcher.byteCount
    stateBytes += bytes - entry.stateBytes
    entry.stateBytes = bytes
    guard stateBytes > bytesMax else { return }
    for handle in known.values {
      guard let other = entries[handle], other !== entry, other.stateBytes > 0 else { continue }
      other.matcher.removeAll()
      stateBytes -= other.stateBytes
      other.stateBytes = 0
    }
  }
}

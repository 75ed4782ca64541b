/// An Aho-Corasick automaton over the bytes of many words: one table look-up a byte, however many words there are.
///
/// Its state after a text is the longest end of that text that begins a word, so it tells both where a word has ended and how much
/// must be held back. The nodes nearest to the root, which nearly all text stays in, have a row of transitions for every class of
/// bytes; those of large sets that lie deeper have only their own edges and a failure link.
///
/// One pointer, so that passing it on copies no table. Immutable and shared by all workers; freed with its `FilterSet`.
struct LiteralAutomaton: @unchecked Sendable {
  /// Marks a transition to a node that has no row, or where a word ends; the rest is the node then, else the node's row.
  static let flag: UInt32 = 0x8000_0000

  // Unchecked: written only in `init`.
  private let tables: UnsafePointer<LiteralTables>

  /// What holds for a node; bits.
  enum Trait {
    /// A word ends here or on the way of failure links.
    static let hasEnd: UInt8 = 1
    /// Some word that ends here, or on that way, need not stand between word edges.
    static let endsAnywhere: UInt8 = 2
    /// The node has edges of its own.
    static let goesOn: UInt8 = 4
    /// Some word that ends here or further on need not stand between word edges.
    static let leadsAnywhere: UInt8 = 8
    /// The same of what comes after it.
    static let goesOnAnywhere: UInt8 = 16
  }

  init(_ tables: LiteralTables) { self.tables = .frozen(tables) }

  func deallocate() {
    tables.pointee.deallocate()
    tables.deallocate()
  }

  var byteCount: Int { tables.pointee.byteCount }

  @inline(__always) var traits: FrozenTable<UInt8> { tables.pointee.traits }
  @inline(__always) var suffix: FrozenTable<UInt32> { tables.pointee.suffix }
  @inline(__always) var ruleStart: FrozenTable<UInt32> { tables.pointee.ruleStart }
  @inline(__always) var rules: FrozenTable<UInt32> { tables.pointee.rules }

  private var classes: FrozenTable<UInt8> { tables.pointee.classes }
  private var stride: Int { tables.pointee.stride }
  private var table: FrozenTable<UInt32> { tables.pointee.table }
  private var rowCount: UInt32 { tables.pointee.rowCount }
  private var rank: FrozenTable<UInt32> { tables.pointee.rank }

  // MARK: Steps

  /// Reads bytes until one after which a word has ended, or up to `to`. The state is a transition: see `flag`.
  @inline(__always)
  func run(_ state: inout UInt32, _ bytes: UnsafePointer<UInt8>, from: Int, to: Int) -> (position: Int, hasEnd: Bool) {
    let (classes, table, traits) = (classes, table, traits)
    var index = from
    while index < to {
      if state & Self.flag != 0, state & ~Self.flag >= rowCount {
        state = entry(of: deepStep(state & ~Self.flag, bytes[index]))
        index &+= 1
      } else {
        var row = state & Self.flag != 0 ? Int(state & ~Self.flag) &* stride : Int(state)
        repeat {
          state = table[row &+ Int(classes[Int(bytes[index])])]
          index &+= 1
          row = Int(state)
        } while state & Self.flag == 0 && index < to
      }
      if state & Self.flag != 0, traits[Int(state & ~Self.flag)] & Trait.hasEnd != 0 { return (index, true) }
    }
    return (index, false)
  }

  /// The state after all bytes.
  func skim(_ state: UInt32, _ bytes: UnsafePointer<UInt8>, from: Int, to: Int) -> UInt32 {
    var state = state
    var index = from
    while index < to { index = run(&state, bytes, from: index, to: to).position }
    return state
  }

  private func entry(of node: UInt32) -> UInt32 {
    node >= rowCount || traits[Int(node)] & Trait.hasEnd != 0
      ? Self.flag | node : node &* UInt32(truncatingIfNeeded: stride)
  }

  /// The node that a transition leads to.
  @inline(__always)
  func node(of entry: UInt32) -> UInt32 {
    entry & Self.flag != 0 ? entry & ~Self.flag : entry / UInt32(truncatingIfNeeded: stride)
  }

  private func deepStep(_ from: UInt32, _ byte: UInt8) -> UInt32 {
    var node = from
    while node >= rowCount {
      if let target = ownEdge(node, byte) { return target }
      node = tables.pointee.failure[Int(node)]
    }
    return self.node(of: table[Int(node) &* stride &+ Int(classes[Int(byte)])])
  }

  private func ownEdge(_ node: UInt32, _ byte: UInt8) -> UInt32? {
    let deep = Int(node &- rowCount)
    let tables = tables.pointee
    for index in Int(tables.edgeStart[deep])..<Int(tables.edgeStart[deep &+ 1]) where tables.edgeByte[index] == byte {
      return tables.edgeTarget[index]
    }
    return nil
  }

  /// The node that `byte` leads to without giving up the beginning; nil when no word goes on that way.
  @inline(__always)
  func child(_ node: UInt32, _ byte: UInt8) -> UInt32? {
    guard node < rowCount else { return ownEdge(node, byte) }
    let target = self.node(of: table[Int(node) &* stride &+ Int(classes[Int(byte)])])
    // An edge of the node's own makes the run longer; what failure links lead to is never longer than the node's run.
    return rank[Int(target)] > rank[Int(node)] ? target : nil
  }

  /// Where the run that `node` stands for began, when it ends at `end`.
  func beginning(of node: UInt32, endingAt end: Int, in bytes: UnsafePointer<UInt8>) -> Int {
    let rank = Int(rank[Int(node)])
    var start = end &- (rank & 3)
    var left = rank >> 2
    while left > 0, start > 0 {
      start &-= UTF8Text.scalar(bytes, before: start).length
      left &-= 1
    }
    return start
  }
}

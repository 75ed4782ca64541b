/// Tells in one look-up a byte where a pattern may have ended, and how far back it may have begun.
///
/// It matches more than the patterns do: wide repeats have no upper bound here and edges are not asked for; where that is not small
/// enough, patterns count as ended after their first bytes.
/// What it lets through a `PatternAutomaton` judges, so that text without matches is read once, whatever the patterns.
///
/// One pointer, so that passing it on copies no table. Immutable and shared by all workers; freed with its `FilterSet`.
struct PatternGate: @unchecked Sendable {
  /// Marks a transition to a state where a pattern may have ended.
  static let flag: UInt32 = 0x8000_0000
  /// Gates of whole patterns are small or not worth it: they are the least exact for their size.
  static let stateCountMax = (whole: 1_024, heads: 4_096)

  private struct Tables: BitwiseCopyable {
    var classes: FrozenTable<UInt8>
    var stride: Int
    /// Rows of transitions, each to the beginning of a row. The root's is the first.
    var table: FrozenTable<UInt32>
    /// By row, whether each pattern that ends there needs a word edge after it.
    var needsEdge: FrozenTable<Bool>
    /// Bytes that stay in the root: 1.
    var isQuiet: FrozenTable<UInt8>
  }

  // Unchecked: written only in `init`.
  private let tables: UnsafePointer<Tables>

  /// - Returns: nil when no widening makes the gate small enough; filters then try every place where a match may begin.
  init?(_ sources: [PatternNFA.Source], right: [FilterPattern.Edge]) {
    for (copies, head) in [(16, Int.max), (4, .max), (1, .max), (4, 8), (1, 6), (1, 4), (1, 2)] {
      var tooLarge = 0
      var edges = right
      let widened = sources.enumerated().map { index, source in
        var copy = source
        copy.node = source.node.head(byteCount: head)
        // What follows a beginning says nothing about the match's end.
        if copy.node != source.node { edges[index] = .anything }
        copy.node = copy.node.widened(copies: copies)
        return copy
      }
      guard let nfa = PatternNFA(widened, tooLarge: &tooLarge),
        let subsets = SubsetConstruction(
          nfa, isUnanchored: true,
          stateCountMax: head == .max ? Self.stateCountMax.whole : Self.stateCountMax.heads)
      else { continue }
      self.init(subsets, right: edges)
      return
    }
    return nil
  }

  private init(_ subsets: SubsetConstruction, right: [FilterPattern.Edge]) {
    let stride = subsets.classCount
    let rows = subsets.states.flatMap { state in
      state.next.map { next in
        next * UInt32(stride) | (subsets.states[Int(next)].ends.isEmpty ? 0 : Self.flag)
      }
    }
    tables = .frozen(
      Tables(
        classes: FrozenTable(subsets.classes), stride: stride, table: FrozenTable(rows),
        needsEdge: FrozenTable(subsets.states.map { $0.ends.allSatisfy { right[Int($0)] != .anything } }),
        isQuiet: FrozenTable((0..<256).map { subsets.states[0].next[Int(subsets.classes[$0])] == 0 ? 1 : 0 })))
  }

  func deallocate() {
    let tables = tables.pointee
    tables.classes.deallocate()
    tables.table.deallocate()
    tables.needsEdge.deallocate()
    tables.isQuiet.deallocate()
    self.tables.deallocate()
  }

  var byteCount: Int {
    let tables = tables.pointee
    return tables.classes.byteCount + tables.table.byteCount + tables.needsEdge.byteCount + tables.isQuiet.byteCount
  }
}

extension PatternGate {
  /// Reads bytes until one after which a pattern may have ended, or up to `to`.
  ///
  /// - Parameter floor: set to where the root was last left: no match that is still open began earlier.
  @inline(__always)
  func run(_ row: inout UInt32, _ floor: inout Int, _ bytes: UnsafePointer<UInt8>, from: Int, to: Int)
    -> (position: Int, hasEnd: Bool)
  {
    let (classes, table, isQuiet) = (tables.pointee.classes, tables.pointee.table, tables.pointee.isQuiet)
    var index = from
    var state = row & ~Self.flag
    while index < to {
      if state == 0 {
        while index < to, isQuiet[Int(bytes[index])] != 0 { index &+= 1 }
        floor = index
        guard index < to else { break }
      }
      let entry = table[Int(state) &+ Int(classes[Int(bytes[index])])]
      index &+= 1
      state = entry & ~Self.flag
      if entry & Self.flag != 0 {
        row = state
        return (index, true)
      }
    }
    row = state
    return (index, false)
  }

  /// Whether every pattern that may have ended in `row` needs a word edge.
  func needsEdge(_ row: UInt32) -> Bool { tables.pointee.needsEdge[Int(row) / tables.pointee.stride] }
}

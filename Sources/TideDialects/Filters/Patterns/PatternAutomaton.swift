/// All patterns of a filter set as one deterministic automaton that reads a text from where a match may begin.
///
/// Exact: while the state is not dead, what was read is the beginning of a match. Used where a `PatternGate` has found that there
/// may be one, and to tell how much must be held.
///
/// One pointer, so that passing it on copies no table. Immutable and shared by all workers; freed with its `FilterSet`.
struct PatternAutomaton: @unchecked Sendable {
  static let dead: UInt32 = 0

  private struct Tables: BitwiseCopyable {
    var classes: FrozenTable<UInt8>
    var stride: Int
    var table: FrozenTable<UInt32>
    var endStart: FrozenTable<UInt32>
    var ends: FrozenTable<UInt32>
    var byteCountMax: FrozenTable<UInt32>
    var afterOther: UInt32
    var afterWord: UInt32
  }

  // Unchecked: written only in `init`.
  private let tables: UnsafePointer<Tables>

  init(_ subsets: SubsetConstruction, rules: [UInt32]) {
    var sum: UInt32 = 0
    let starts: [UInt32] =
      [0]
      + subsets.states.map { state in
        sum += UInt32(state.ends.count)
        return sum
      }
    tables = .frozen(
      Tables(
        classes: FrozenTable(subsets.classes), stride: subsets.classCount,
        table: FrozenTable(subsets.states.flatMap(\.next)), endStart: FrozenTable(starts),
        ends: FrozenTable(subsets.states.flatMap { $0.ends.map { rules[Int($0)] } }),
        byteCountMax: FrozenTable(subsets.states.map { $0.goesOn ? UInt32(clamping: $0.byteCountMax) : 0 }),
        afterOther: subsets.first.afterOther, afterWord: subsets.first.afterWord))
  }

  func deallocate() {
    let tables = tables.pointee
    tables.classes.deallocate()
    tables.table.deallocate()
    tables.endStart.deallocate()
    tables.ends.deallocate()
    tables.byteCountMax.deallocate()
    self.tables.deallocate()
  }

  var byteCount: Int {
    let tables = tables.pointee
    return tables.classes.byteCount + tables.table.byteCount + tables.endStart.byteCount + tables.ends.byteCount
      + tables.byteCountMax.byteCount
  }

  /// Rules of the patterns that end in a state: `ends[endStart[state]..<endStart[state + 1]]`, in order.
  @inline(__always) var endStart: FrozenTable<UInt32> { tables.pointee.endStart }
  @inline(__always) var ends: FrozenTable<UInt32> { tables.pointee.ends }
  /// How long a match may be that a state still allows; 0 where no byte leads on.
  @inline(__always) var byteCountMax: FrozenTable<UInt32> { tables.pointee.byteCountMax }
  /// Where a text begins: after anything but an ASCII word character, and after one.
  @inline(__always) var afterOther: UInt32 { tables.pointee.afterOther }
  @inline(__always) var afterWord: UInt32 { tables.pointee.afterWord }

  @inline(__always)
  func step(_ state: UInt32, _ byte: UInt8) -> UInt32 {
    tables.pointee.table[Int(state) &* tables.pointee.stride &+ Int(tables.pointee.classes[Int(byte)])]
  }
}

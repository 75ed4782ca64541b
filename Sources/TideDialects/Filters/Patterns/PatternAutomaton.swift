/// All patterns of a filter set as one deterministic automaton that reads a text from where a match may begin.
///
/// Exact: while the state is not dead, what was read is the beginning of a match. Used where a `PatternGate` has found that there
/// may be one, and to tell how much must be held.
///
/// Immutable and shared by all workers; freed with its `FilterSet`.
struct PatternAutomaton: Sendable {
  static let dead: UInt32 = 0

  let classes: FrozenTable<UInt8>
  let stride: Int
  let table: FrozenTable<UInt32>
  /// Rules of the patterns that end in a state: `ends[endStart[state]..<endStart[state + 1]]`, in order.
  let endStart: FrozenTable<UInt32>
  let ends: FrozenTable<UInt32>
  /// How long a match may be that a state still allows; 0 where no byte leads on.
  let byteCountMax: FrozenTable<UInt32>
  /// Where a text begins: after anything but an ASCII word character, and after one.
  let afterOther: UInt32
  let afterWord: UInt32

  init(_ subsets: SubsetConstruction, rules: [UInt32]) {
    stride = subsets.classCount
    classes = FrozenTable(subsets.classes)
    table = FrozenTable(subsets.states.flatMap(\.next))
    var sum: UInt32 = 0
    endStart = FrozenTable(
      [0]
        + subsets.states.map { state in
          sum += UInt32(state.ends.count)
          return sum
        })
    ends = FrozenTable(subsets.states.flatMap { $0.ends.map { rules[Int($0)] } })
    byteCountMax = FrozenTable(subsets.states.map { $0.goesOn ? UInt32(clamping: $0.byteCountMax) : 0 })
    afterOther = subsets.first.afterOther
    afterWord = subsets.first.afterWord
  }

  func deallocate() {
    classes.deallocate()
    table.deallocate()
    endStart.deallocate()
    ends.deallocate()
    byteCountMax.deallocate()
  }

  var byteCount: Int {
    classes.byteCount + table.byteCount + endStart.byteCount + ends.byteCount + byteCountMax.byteCount
  }

  @inline(__always)
  func step(_ state: UInt32, _ byte: UInt8) -> UInt32 {
    table[Int(state) &* stride &+ Int(classes[Int(byte)])]
  }
}

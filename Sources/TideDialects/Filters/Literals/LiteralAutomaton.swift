/// An Aho-Corasick automaton over the bytes of many words: one table look-up a byte, however many words there are.
///
/// Its state after a text is the longest end of that text that begins a word, so it tells both where a word has ended and how much
/// must be held back. The nodes nearest to the root, which nearly all text stays in, have a row of transitions for every class of
/// bytes; those of large sets that lie deeper have only their own edges and a failure link.
///
/// Immutable and shared by all workers; freed with its `FilterSet`.
struct LiteralAutomaton: Sendable {
  /// Marks a transition to a node that has no row, or where a word ends; the rest is the node then, else the node's row.
  static let flag: UInt32 = 0x8000_0000
  /// Bytes that rows may take.
  static let rowBytesMax = 4 << 20

  let classes: FrozenTable<UInt8>
  let stride: Int
  let table: FrozenTable<UInt32>
  /// Nodes below have a row.
  let rowCount: UInt32
  let failure: FrozenTable<UInt32>
  /// The next node on the way of failure links where a word ends; 0 where there is none.
  let suffix: FrozenTable<UInt32>
  /// Four times the whole characters, plus the bytes of the one that has begun.
  let rank: FrozenTable<UInt32>
  let traits: FrozenTable<UInt8>
  /// Rules of the words that end at a node: `rules[ruleStart[node]..<ruleStart[node + 1]]`, in order.
  let ruleStart: FrozenTable<UInt32>
  let rules: FrozenTable<UInt32>
  /// Own edges of nodes without a row, as rows are: `edgeByte[edgeStart[node - rowCount]..<...]`.
  let edgeStart: FrozenTable<UInt32>
  let edgeByte: FrozenTable<UInt8>
  let edgeTarget: FrozenTable<UInt32>

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

  init(_ trie: LiteralTrie, wholeRules: Set<UInt32>, rowBytesMax: Int = Self.rowBytesMax) {
    let order = Self.breadthFirst(trie)
    var number = [UInt32](repeating: 0, count: trie.nodes.count)
    for (index, node) in order.enumerated() { number[node] = UInt32(index) }
    let nodes = order.map { trie.nodes[$0] }
    let edges = nodes.map { node in node.edges.map { (byte: $0.byte, target: number[$0.target]) } }

    // Failure links, each from those nearer to the root.
    var fail = [UInt32](repeating: 0, count: nodes.count)
    var isLinked = [Bool](repeating: false, count: nodes.count)
    var near = [UInt32](repeating: 0, count: nodes.count)
    for node in nodes.indices {
      for edge in edges[node] where !isLinked[Int(edge.target)] {
        isLinked[Int(edge.target)] = true
        guard node > 0 else { continue }
        var from = Int(fail[node])
        while true {
          if let step = edges[from].first(where: { $0.byte == edge.byte }) {
            fail[Int(edge.target)] = step.target
            break
          }
          if from == 0 { break }
          from = Int(fail[from])
        }
      }
      let behind = Int(fail[node])
      near[node] = node == 0 ? 0 : nodes[behind].rules.isEmpty ? near[behind] : fail[node]
    }

    var traits = [UInt8](repeating: 0, count: nodes.count)
    for node in nodes.indices {
      if !edges[node].isEmpty { traits[node] |= Trait.goesOn }
      if nodes[node].leadsAnywhere { traits[node] |= Trait.leadsAnywhere }
      if edges[node].contains(where: { nodes[Int($0.target)].leadsAnywhere }) { traits[node] |= Trait.goesOnAnywhere }
      if !nodes[node].rules.isEmpty || near[node] != 0 { traits[node] |= Trait.hasEnd }
      if nodes[node].rules.contains(where: { !wholeRules.contains($0) })
        || traits[Int(near[node])] & Trait.endsAnywhere != 0
      {
        traits[node] |= Trait.endsAnywhere
      }
    }

    let classOf = Self.byteClasses(edges)
    let stride = Int(classOf.max() ?? 0) + 1
    let rowCount = min(nodes.count, max(1, rowBytesMax / (stride * 4)))
    var rows = [UInt32](repeating: 0, count: rowCount * stride)
    func entry(_ node: UInt32) -> UInt32 {
      Int(node) >= rowCount || traits[Int(node)] & Trait.hasEnd != 0 ? Self.flag | node : node * UInt32(stride)
    }
    for node in 0..<rowCount {
      let row = node * stride
      if node > 0 {
        let behind = Int(fail[node]) * stride
        for index in 0..<stride { rows[row + index] = rows[behind + index] }
      }
      for edge in edges[node] { rows[row + Int(classOf[Int(edge.byte)])] = entry(edge.target) }
    }

    self.stride = stride
    self.rowCount = UInt32(rowCount)
    classes = FrozenTable(classOf)
    table = FrozenTable(rows)
    failure = FrozenTable(fail)
    suffix = FrozenTable(near)
    rank = FrozenTable(nodes.map { $0.characters &* 4 &+ UInt32($0.partialBytes) })
    self.traits = FrozenTable(traits)
    ruleStart = FrozenTable(Self.starts(nodes.map { $0.rules.count }))
    rules = FrozenTable(nodes.flatMap(\.rules))
    let deep = edges[rowCount...]
    edgeStart = FrozenTable(Self.starts(deep.map(\.count)))
    edgeByte = FrozenTable(deep.flatMap { $0.map(\.byte) })
    edgeTarget = FrozenTable(deep.flatMap { $0.map(\.target) })
  }

  func deallocate() {
    classes.deallocate()
    table.deallocate()
    failure.deallocate()
    suffix.deallocate()
    rank.deallocate()
    traits.deallocate()
    ruleStart.deallocate()
    rules.deallocate()
    edgeStart.deallocate()
    edgeByte.deallocate()
    edgeTarget.deallocate()
  }

  var byteCount: Int {
    classes.byteCount + table.byteCount + failure.byteCount + suffix.byteCount + rank.byteCount + traits.byteCount
      + ruleStart.byteCount + rules.byteCount + edgeStart.byteCount + edgeByte.byteCount + edgeTarget.byteCount
  }

  // MARK: Making

  /// All nodes by their distance from the root in bytes: a failure link leads to an earlier one.
  private static func breadthFirst(_ trie: LiteralTrie) -> [Int] {
    var order = [0]
    var isSeen = [Bool](repeating: false, count: trie.nodes.count)
    isSeen[0] = true
    var next = 0
    while next < order.count {
      for edge in trie.nodes[order[next]].edges where !isSeen[edge.target] {
        isSeen[edge.target] = true
        order.append(edge.target)
      }
      next += 1
    }
    return order
  }

  /// Bytes that every node treats alike share a class; those in no word are class 0.
  private static func byteClasses(_ edges: [[(byte: UInt8, target: UInt32)]]) -> [UInt8] {
    var uses = [[UInt64]](repeating: [], count: 256)
    for (node, list) in edges.enumerated() {
      for edge in list { uses[Int(edge.byte)].append(UInt64(node) << 32 | UInt64(edge.target)) }
    }
    var known: [[UInt64]: UInt8] = [[]: 0]
    return uses.map { use in
      if let number = known[use] { return number }
      let number = UInt8(known.count)
      known[use] = number
      return number
    }
  }

  private static func starts(_ counts: [Int]) -> [UInt32] {
    var sum: UInt32 = 0
    var result: [UInt32] = [0]
    for count in counts {
      sum += UInt32(count)
      result.append(sum)
    }
    return result
  }

  // MARK: Steps

  /// Reads bytes until one after which a word has ended, or up to `to`. The state is a transition: see `flag`.
  @inline(__always)
  func run(_ state: inout UInt32, _ bytes: UnsafePointer<UInt8>, from: Int, to: Int) -> (position: Int, hasEnd: Bool) {
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
      node = failure[Int(node)]
    }
    return self.node(of: table[Int(node) &* stride &+ Int(classes[Int(byte)])])
  }

  private func ownEdge(_ node: UInt32, _ byte: UInt8) -> UInt32? {
    let deep = Int(node &- rowCount)
    for index in Int(edgeStart[deep])..<Int(edgeStart[deep &+ 1]) where edgeByte[index] == byte {
      return edgeTarget[index]
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

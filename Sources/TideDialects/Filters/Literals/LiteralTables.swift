/// The tables of a `LiteralAutomaton`, made once from a `LiteralTrie`.
struct LiteralTables: Sendable, BitwiseCopyable {
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
      if !edges[node].isEmpty { traits[node] |= LiteralAutomaton.Trait.goesOn }
      if nodes[node].leadsAnywhere { traits[node] |= LiteralAutomaton.Trait.leadsAnywhere }
      if edges[node].contains(where: { nodes[Int($0.target)].leadsAnywhere }) {
        traits[node] |= LiteralAutomaton.Trait.goesOnAnywhere
      }
      if !nodes[node].rules.isEmpty || near[node] != 0 { traits[node] |= LiteralAutomaton.Trait.hasEnd }
      if nodes[node].rules.contains(where: { !wholeRules.contains($0) })
        || traits[Int(near[node])] & LiteralAutomaton.Trait.endsAnywhere != 0
      {
        traits[node] |= LiteralAutomaton.Trait.endsAnywhere
      }
    }

    let classOf = Self.byteClasses(edges)
    let stride = Int(classOf.max() ?? 0) + 1
    let rowCount = min(nodes.count, max(1, rowBytesMax / (stride * 4)))
    var rows = [UInt32](repeating: 0, count: rowCount * stride)
    func entry(_ node: UInt32) -> UInt32 {
      Int(node) >= rowCount || traits[Int(node)] & LiteralAutomaton.Trait.hasEnd != 0
        ? LiteralAutomaton.flag | node : node * UInt32(stride)
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
}

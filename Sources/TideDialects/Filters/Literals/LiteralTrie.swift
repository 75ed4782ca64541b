/// Words as a tree of characters whose edges are the bytes of UTF-8: what a `LiteralAutomaton` is made from.
///
/// With folding, every case variant of a character leads to the same node, though the variants may have different byte sequences
/// and lengths (`s` and `ſ`, `k` and the Kelvin sign). So a node is a run of folded characters, and inside a character the bytes of it
/// that have come.
struct LiteralTrie {
  struct Word {
    var scalars: [UInt32]
    var rule: UInt32
    /// Only between word edges.
    var isWhole: Bool
  }

  struct Node {
    /// Whole characters, and bytes of the one that has begun.
    var characters: UInt32 = 0
    var partialBytes: UInt8 = 0
    /// Some word that ends here or further on need not stand between word edges.
    var leadsAnywhere = false
    /// Rules whose word ends here, in order.
    var rules: [UInt32] = []
    var edges: [(byte: UInt8, target: Int)] = []
  }

  private(set) var nodes = [Node()]
  private var characterEdges: [UInt64: Int] = [:]
  private let folds: Bool

  /// - Parameter folds: words match in any case.
  init(_ words: [Word], folds: Bool) {
    self.folds = folds
    for word in words { insert(word) }
    for node in nodes.indices where nodes[node].partialBytes > 0 { nodes[node].leadsAnywhere = leadsAnywhere(node) }
  }

  /// For a node inside a character, what the characters say that its bytes belong to.
  private func leadsAnywhere(_ node: Int) -> Bool {
    nodes[node].partialBytes == 0
      ? nodes[node].leadsAnywhere : nodes[node].edges.contains { leadsAnywhere($0.target) }
  }

  private mutating func insert(_ word: Word) {
    var node = 0
    if !word.isWhole { nodes[0].leadsAnywhere = true }
    for value in word.scalars {
      let folded = folds ? CaseFolding.fold(value) : value
      let key = UInt64(node) << 32 | UInt64(folded)
      if let known = characterEdges[key] {
        node = known
      } else {
        let child = nodes.count
        nodes.append(Node(characters: nodes[node].characters &+ 1))
        characterEdges[key] = child
        for variant in folds ? CaseFolding.variants(of: folded) : [value] { connect(node, child, variant) }
        node = child
      }
      if !word.isWhole { nodes[node].leadsAnywhere = true }
    }
    if !nodes[node].rules.contains(word.rule) { nodes[node].rules.append(word.rule) }
  }

  /// Adds the bytes of one character between two nodes.
  private mutating func connect(_ parent: Int, _ child: Int, _ value: UInt32) {
    var bytes: [UInt8] = []
    UTF8Text.append(value, to: &bytes)
    guard let last = bytes.last else { return }
    var node = parent
    for (index, byte) in bytes.dropLast().enumerated() {
      if let known = nodes[node].edges.first(where: { $0.byte == byte })?.target {
        node = known
        continue
      }
      nodes.append(Node(characters: nodes[parent].characters, partialBytes: UInt8(index + 1)))
      nodes[node].edges.append((byte, nodes.count - 1))
      node = nodes.count - 1
    }
    nodes[node].edges.append((last, child))
  }

  /// The longest that a word can be in bytes, in whatever case it comes.
  static func byteCountMax(_ scalars: [UInt32], folds: Bool) -> Int {
    scalars.reduce(0) { sum, value in
      let widest = (folds ? CaseFolding.variants(of: value) : [value]).map { value in
        value < 0x80 ? 1 : value < 0x800 ? 2 : value < 0x10000 ? 3 : 4
      }.max()
      return sum + (widest ?? 4)
    }
  }
}

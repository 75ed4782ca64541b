/// A regular expression of the bounded subset, parsed.
struct FilterPattern: Sendable {
  /// The expression without its edges.
  indirect enum Node: Equatable, Sendable {
    case empty
    case set(ScalarSet)
    case sequence([Node])
    case choice([Node])
    /// - Parameter max: nil where only the pattern's `maxByteCount` ends it.
    case repeated(Node, min: Int, max: Int?)
  }

  /// What must hold beside the match.
  enum Edge: UInt8, Sendable, BitwiseCopyable {
    case anything
    /// `\b`: of the characters on the two sides exactly one is an ASCII letter, digit or underscore.
    case boundary
    /// No ASCII letter, digit or underscore stands there.
    case noWord
  }

  var node: Node
  var left = Edge.anything
  var right = Edge.anything
  /// The longest match in bytes.
  var byteCountMax: Int
}

extension FilterPattern.Node {
  /// The shortest match in bytes.
  var byteCountMin: Int {
    switch self {
    case .empty: 0
    case .set(let set): set.byteCountMin
    case .sequence(let nodes): nodes.reduce(0) { $0.saturatingAdd($1.byteCountMin) }
    case .choice(let nodes): nodes.map(\.byteCountMin).min() ?? 0
    case .repeated(let node, let min, _): node.byteCountMin.saturatingMultiply(min)
    }
  }

  /// The longest match in bytes; nil when nothing inside bounds it.
  var byteCountMax: Int? {
    switch self {
    case .empty: return 0
    case .set(let set): return set.byteCountMax
    case .sequence(let nodes):
      return nodes.reduce(into: 0 as Int?) { sum, node in
        guard let known = sum, let next = node.byteCountMax else { return sum = nil }
        sum = known.saturatingAdd(next)
      }
    case .choice(let nodes):
      return nodes.reduce(into: 0 as Int?) { longest, node in
        guard let known = longest, let next = node.byteCountMax else { return longest = nil }
        longest = Swift.max(known, next)
      }
    case .repeated(let node, _, let max):
      guard let inner = node.byteCountMax else { return nil }
      if inner == 0 { return 0 }
      return max.map { inner.saturatingMultiply($0) }
    }
  }

  /// The characters, when the expression is a plain word.
  var literal: [UInt32]? {
    switch self {
    case .set(let set): return set.single.map { [$0] }
    case .sequence(let nodes):
      var result: [UInt32] = []
      for node in nodes {
        guard case .set(let set) = node, let value = set.single else { return nil }
        result.append(value)
      }
      return result
    case .empty, .choice, .repeated: return nil
    }
  }

  /// An expression of fewer states that matches all that this one does, and more: wide repeats lose their upper bound, and lower
  /// bounds are cut to `copies`.
  func widened(copies: Int) -> Self {
    switch self {
    case .empty, .set: return self
    case .sequence(let nodes): return .sequence(nodes.map { $0.widened(copies: copies) })
    case .choice(let nodes): return .choice(nodes.map { $0.widened(copies: copies) })
    case .repeated(let node, let low, let high):
      let inner = node.widened(copies: copies)
      if let high, high <= copies, high - low <= 2 { return .repeated(inner, min: low, max: high) }
      return .repeated(inner, min: min(low, copies), max: nil)
    }
  }

  /// What every match begins with: the expression up to where at least `byteCount` bytes have been read.
  func head(byteCount: Int) -> Self {
    guard byteCountMin > byteCount else { return self }
    switch self {
    case .empty, .set: return self
    case .choice(let nodes): return .choice(nodes.map { $0.head(byteCount: byteCount) })
    case .repeated(let node, _, _):
      let copies = (byteCount + node.byteCountMin - 1) / node.byteCountMin
      return .repeated(node, min: copies, max: copies)
    case .sequence(let nodes):
      var result: [Self] = []
      var left = byteCount
      for node in nodes where left > 0 {
        // A node that may end before so many bytes is followed by others, so it stays whole.
        result.append(node.byteCountMin > left ? node.head(byteCount: left) : node)
        left -= node.byteCountMin
      }
      return .sequence(result)
    }
  }
}

extension Int {
  /// Sums and products of what a pattern's author wrote, which may be anything.
  func saturatingAdd(_ other: Int) -> Int {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }

  func saturatingMultiply(_ other: Int) -> Int {
    let (product, overflow) = multipliedReportingOverflow(by: other)
    return overflow ? .max : product
  }
}

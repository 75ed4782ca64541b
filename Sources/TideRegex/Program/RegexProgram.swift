/// A compiled pattern: immutable, shared by whoever matches with it.
///
/// Linear by construction: the text is read once by an automaton whose size depends on the pattern alone. There are no
/// back-references and no look-around, which nobody can match in linear time.
public struct RegexProgram: Sendable {
  /// One direction's instructions.
  struct Automaton: Sendable {
    var instructions: [Instruction]
    var sets: [ByteSet]
    /// Where a match is read from its first byte on.
    var anchored: UInt32
    /// Where it may begin anywhere; the same as `anchored` when reversed.
    var unanchored: UInt32
    var isReversed: Bool
  }

  public let pattern: String
  public let flags: RegexFlags
  /// How many captures the pattern has, the whole match not counted.
  public let captureCount: Int
  let forward: Automaton
  let reversed: Automaton
  /// Bytes that no part of the pattern tells apart have the same class.
  let byteClasses: [UInt8]
  let byteClassCount: Int
  let hasAssertions: Bool

  /// Slots of captures for each instruction would take this many entries at most.
  private static let slotMax = 200_000

  /// - Throws: what is wrong with the pattern, and where.
  public init(
    _ pattern: String, flags: RegexFlags = [], limits: RegexLimits = .standard
  ) throws(RegexSyntaxError) {
    guard pattern.utf8.count <= limits.byteCountMax else {
      throw RegexSyntaxError("the pattern is longer than \(limits.byteCountMax) bytes")
    }
    var copy = pattern
    let parsed: Result<(RegexNode, Int), RegexSyntaxError> = copy.withUTF8 { bytes in
      do throws(RegexSyntaxError) {
        var parser = try RegexParser(UnsafeRawBufferPointer(bytes), flags: flags)
        return .success((try parser.pattern(), parser.captureCount))
      } catch {
        return .failure(error)
      }
    }
    let (tree, captures) = try parsed.get()
    self.pattern = pattern
    self.flags = flags
    captureCount = captures
    forward = try Self.automaton(tree, isReversed: false, limits)
    reversed = try Self.automaton(tree, isReversed: true, limits)
    guard forward.instructions.count * 2 * (captures + 1) <= Self.slotMax || captures == 0 else {
      throw RegexSyntaxError("the pattern is too large for its captures: write (?: where nothing is captured")
    }
    hasAssertions = forward.instructions.contains { $0.operation == .assert }
    // Both directions take the same bytes in another order.
    (byteClasses, byteClassCount) = Self.classes(forward.sets, neighbours: hasAssertions)
  }

  private static func automaton(
    _ tree: RegexNode, isReversed: Bool, _ limits: RegexLimits
  ) throws(RegexSyntaxError) -> Automaton {
    var compiler = RegexCompiler(isReversed: isReversed, instructionCountMax: limits.instructionCountMax)
    let anchored = try compiler.compile(tree, then: try compiler.match())
    let unanchored = isReversed ? anchored : try compiler.anywhere(anchored)
    return Automaton(
      instructions: compiler.instructions, sets: compiler.sets, anchored: anchored, unanchored: unanchored,
      isReversed: isReversed)
  }

  /// Splits the bytes by one set after another.
  ///
  /// - Parameter neighbours: whether assertions ask what kind of byte stands beside a place.
  private static func classes(_ sets: [ByteSet], neighbours: Bool) -> (classes: [UInt8], count: Int) {
    var classes = [Int](repeating: 0, count: 256)
    var count = 1
    func refine(_ contains: (UInt8) -> Bool) {
      guard count < 256 else { return }
      var inside = [Int](repeating: -1, count: count)
      var outside = inside
      var next = 0
      for byte in UInt8.min...UInt8.max {
        let old = classes[Int(byte)]
        let isInside = contains(byte)
        if (isInside ? inside[old] : outside[old]) < 0 {
          if isInside { inside[old] = next } else { outside[old] = next }
          next += 1
        }
        classes[Int(byte)] = isInside ? inside[old] : outside[old]
      }
      count = next
    }
    for set in sets { refine(set.contains) }
    if neighbours {
      refine { Neighbour($0) == .word }
      refine { Neighbour($0) == .lineFeed }
    }
    return (classes.map { UInt8($0) }, count)
  }

  /// What it takes in memory, about.
  public var byteCount: Int {
    (forward.instructions.count + reversed.instructions.count) * MemoryLayout<Instruction>.stride
      + (forward.sets.count + reversed.sets.count) * MemoryLayout<ByteSet>.stride + 256 + pattern.utf8.count
  }
}

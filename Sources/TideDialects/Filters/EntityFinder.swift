import TideCore

/// Finds entities in whole texts, for any choice of kinds.
///
/// The leftmost find wins, then the longest, then the kind listed first, as in a `FilterSet` with one `mask`. But a policy may choose
/// kinds for each request, and compiling a set takes longer than a hook may: here each kind is compiled once in the process.
public enum EntityFinder {
  private static let sets: [FilterSet] = EntityKind.allCases.map { kind in
    do throws(FilterProblem) {
      return try FilterSet([FilterDeclaration(.mask(kinds: [kind], with: ""), asksOnMatch: true)])
    } catch {
      preconditionFailure("the built-in recogniser of \(kind.name) does not compile: \(error)")
    }
  }

  /// Compiles all kinds, so that the first text does not wait for it.
  public static func prepare() { _ = sets.count }

  /// Appends `text` with other bytes in the place of finds.
  ///
  /// - Parameter replace: appends what takes a find's place.
  /// - Returns: how many were found; with 0, nothing is appended.
  public static func replace(
    _ kinds: [EntityKind], in text: UnsafeRawBufferPointer, into out: inout ByteQueue,
    _ replace: (EntityKind, UnsafeRawBufferPointer, inout ByteQueue) -> Void
  ) -> Int {
    var finds: [Range<Int>?] = kinds.map { find($0, in: text, from: 0) }
    var cursor = 0
    var count = 0
    while let best = best(finds), let range = finds[best] {
      out.append(UnsafeRawBufferPointer(rebasing: text[cursor..<range.lowerBound]))
      replace(kinds[best], UnsafeRawBufferPointer(rebasing: text[range]), &out)
      cursor = range.upperBound
      count += 1
      // What the find has taken is no part of another one.
      for index in finds.indices {
        if let range = finds[index], range.lowerBound < cursor {
          finds[index] = find(kinds[index], in: text, from: cursor)
        }
      }
    }
    if count > 0 { out.append(UnsafeRawBufferPointer(rebasing: text[cursor...])) }
    return count
  }

  private static func best(_ finds: [Range<Int>?]) -> Int? {
    var best: Int?
    for (index, find) in finds.enumerated() {
      guard let range = find else { continue }
      guard let known = best, let other = finds[known] else {
        best = index
        continue
      }
      if range.lowerBound < other.lowerBound
        || range.lowerBound == other.lowerBound && range.upperBound > other.upperBound
      {
        best = index
      }
    }
    return best
  }

  private static func find(_ kind: EntityKind, in text: UnsafeRawBufferPointer, from start: Int) -> Range<Int>? {
    guard start < text.count, let base = text.baseAddress else { return nil }
    var scanner = FilterScanner(sets[Int(kind.rawValue)])
    if start > 0 { scanner.before = UTF8Text.scalar(base.assumingMemoryBound(to: UInt8.self), before: start).value }
    var passed = ByteQueue()
    var length = 0
    var tail = EntityRecogniser.Tail.none
    _ = scanner.scan(UnsafeRawBufferPointer(rebasing: text[start...]), isEnd: true, into: &passed) { match, _ in
      length = match.text.count
      tail = match.tail
      return .cut
    }
    guard length > 0 else { return nil }
    let begin = start + passed.byteCount
    var end = begin + length
    while end < text.count, tail.contains(text[end]) { end += 1 }
    return begin..<end
  }
}

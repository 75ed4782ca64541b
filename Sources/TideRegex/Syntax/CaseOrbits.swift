/// Which scalars differ in case only: `k`, `K` and the Kelvin sign are one orbit.
///
/// Made once, when the first pattern that ignores case names a letter beyond ASCII; a few milliseconds.
enum CaseOrbits {
  private struct Entry: Sendable {
    var scalar: UInt32
    var relatives: [UInt32]
  }

  /// Every scalar that has relatives, in order.
  private static let entries: [Entry] = {
    var orbits: [UInt32: [UInt32]] = [:]
    // Nothing above has case.
    for value in UInt32(0)...0x1E943 {
      guard let scalar = Unicode.Scalar(value), scalar.properties.changesWhenCaseMapped else { continue }
      orbits[folded(scalar), default: []].append(value)
    }
    return orbits.values.filter { $0.count > 1 }.flatMap { members in
      members.map { member in Entry(scalar: member, relatives: members.filter { $0 != member }) }
    }.sorted { $0.scalar < $1.scalar }
  }()

  /// One scalar for each orbit; mappings to several scalars do not count.
  private static func folded(_ scalar: Unicode.Scalar) -> UInt32 {
    func single(_ text: String) -> Unicode.Scalar? {
      var scalars = text.unicodeScalars.makeIterator()
      guard let first = scalars.next(), scalars.next() == nil else { return nil }
      return first
    }
    let upper = single(scalar.properties.uppercaseMapping) ?? scalar
    return (single(upper.properties.lowercaseMapping) ?? upper).value
  }

  /// The scalars outside that belong to one inside, and those inside that do.
  static func relatives(of range: ClosedRange<UInt32>) -> [UInt32] {
    var low = 0
    var high = entries.count
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].scalar < range.lowerBound { low = middle + 1 } else { high = middle }
    }
    return entries[low...].prefix { $0.scalar <= range.upperBound }.flatMap(\.relatives)
  }
}

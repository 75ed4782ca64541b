/// Follows the members of one object and knows which bytes to cut so that one of them is gone and the commas are right.
struct MemberWalk {
  /// The end of the value before the member in hand; -1 at the first.
  private var previousEnd = -1
  private var keyStart = 0
  /// The cut; -1 when no member was marked.
  private var cutStart = -1
  private var cutEnd = -1
  /// The marked member was the first: the cut reaches to the next key, if one comes.
  private var awaitsNext = false

  init() {}

  /// The bytes to cut, or -1 twice.
  var marked: (Int, Int) { (cutStart, cutEnd) }

  @inline(__always)
  mutating func begin(_ key: JSONString) {
    keyStart = key.start &- 1
    if awaitsNext {
      cutEnd = keyStart
      awaitsNext = false
    }
  }

  /// The member in hand is the one to cut.
  mutating func mark(valueEnd: Int) {
    cutStart = previousEnd >= 0 ? previousEnd : keyStart
    cutEnd = valueEnd
    awaitsNext = previousEnd < 0
  }

  @inline(__always)
  mutating func end(_ offset: Int) { previousEnd = offset }
}

/// Which instructions were seen, in the order in which they were; emptied without touching its memory.
struct VisitedSet: ~Copyable {
  /// The members, `count` of them.
  let members: UnsafeMutablePointer<UInt32>
  private let places: UnsafeMutablePointer<UInt32>
  private(set) var count = 0

  init(capacity: Int) {
    members = .allocate(capacity: capacity)
    places = .allocate(capacity: capacity)
    members.initialize(repeating: 0, count: capacity)
    places.initialize(repeating: 0, count: capacity)
  }

  deinit {
    members.deallocate()
    places.deallocate()
  }

  mutating func removeAll() { count = 0 }

  func contains(_ value: UInt32) -> Bool {
    let place = Int(places[Int(value)])
    return place < count && members[place] == value
  }

  /// False when it was there.
  mutating func insert(_ value: UInt32) -> Bool {
    if contains(value) { return false }
    members[count] = value
    places[Int(value)] = UInt32(truncatingIfNeeded: count)
    count += 1
    return true
  }
}

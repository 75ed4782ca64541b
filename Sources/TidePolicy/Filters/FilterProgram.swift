import TideDialects

/// The filters of one binding, compiled once for its configuration: immutable, shared by all workers.
struct FilterProgram: Sendable {
  /// The filters of one channel that look for something.
  struct Scan: Sendable {
    let set: FilterSet
    /// By place in the set, the filter's place in the policy's list.
    let places: [Int]

    /// Filters out of action, by their place in the set.
    func disabled(_ inPolicy: UInt64) -> UInt64 {
      guard inPolicy != 0 else { return 0 }
      var bits: UInt64 = 0
      for (index, place) in places.enumerated() where inPolicy & (1 << UInt64(place)) != 0 {
        bits |= 1 << UInt64(index)
      }
      return bits
    }
  }

  struct Limit: Sendable {
    var place: Int
    var tokensMax: Int
    var channels: ChannelSet
  }

  let declared: [DeclaredFilter]
  let limits: [Limit]
  let hold: FilterHold
  /// Those that any filter sees.
  let channels: ChannelSet
  private let scans: [Scan]
  /// By the channel's raw value, into `scans`.
  private let scanOfChannel: [Int?]

  /// - Parameter channels: what filters see that say nothing else.
  init(_ declared: [DeclaredFilter], hold: FilterHold, channels: ChannelSet) throws(FilterProblem) {
    self.declared = declared
    self.hold = hold
    guard declared.count <= FilterSet.filtersMax else {
      throw FilterProblem(
        filter: FilterSet.filtersMax, message: "a policy may list at most \(FilterSet.filtersMax) filters")
    }
    var limits: [Limit] = []
    for (place, filter) in declared.enumerated() {
      if case .limit(let tokens) = filter.declaration.action {
        limits.append(Limit(place: place, tokensMax: tokens, channels: filter.channels ?? channels))
      }
    }
    self.limits = limits
    self.channels = declared.reduce(into: ChannelSet()) { $0.formUnion($1.channels ?? channels) }
    var scans: [Scan] = []
    var scanOfChannel = [Int?](repeating: nil, count: Channel.allCases.count)
    for channel in Channel.allCases {
      let places = declared.indices.filter { place in
        (declared[place].channels ?? channels).contains(channel) && !limits.contains { $0.place == place }
      }
      guard !places.isEmpty else { continue }
      // Channels with the same filters share their tables.
      if let known = scans.firstIndex(where: { $0.places == places }) {
        scanOfChannel[Int(channel.rawValue)] = known
        continue
      }
      do throws(FilterProblem) {
        scans.append(Scan(set: try FilterSet(places.map { declared[$0].declaration }, hold: hold), places: places))
      } catch {
        throw FilterProblem(filter: places[error.filter], message: error.message)
      }
      scanOfChannel[Int(channel.rawValue)] = scans.count - 1
    }
    self.scans = scans
    self.scanOfChannel = scanOfChannel
  }

  func scan(_ channel: Channel) -> Scan? { scanOfChannel[Int(channel.rawValue)].map { scans[$0] } }

  /// Bytes of the compiled tables.
  var byteCount: Int { scans.reduce(0) { $0 + $1.set.byteCount } }
}

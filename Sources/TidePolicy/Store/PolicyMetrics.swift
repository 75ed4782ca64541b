import Synchronization

/// What policies count and observe themselves: `tide.metrics`. Outlives reloads, since counters must not fall.
///
/// Bounded for each binding, whatever labels a client's request can make it use.
public final class PolicyMetrics: Sendable {
  public typealias Labels = [Label]

  public struct Label: Sendable, Hashable, Comparable {
    public var name: String
    public var value: String

    public init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }

    public static func < (a: Label, b: Label) -> Bool { a.name < b.name }
  }

  public enum Figure: Sendable, Equatable {
    case counter(Double)
    case distribution(Distribution)
  }

  /// How observed values are spread.
  public struct Distribution: Sendable, Equatable {
    /// Upper bounds of the buckets: 1, 2 and 5 of each power of ten, since nobody says what is measured.
    public static let bounds: [Double] = [
      0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000,
      10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000,
    ]

    /// One a bucket, not cumulative; the last is for what is above all bounds.
    public internal(set) var counts = [UInt64](repeating: 0, count: Distribution.bounds.count + 1)
    public internal(set) var sum = 0.0
    public var count: UInt64 { counts.reduce(0, &+) }

    mutating func record(_ value: Double) {
      counts[Self.bounds.firstIndex { value <= $0 } ?? Self.bounds.count] &+= 1
      sum += value
    }
  }

  /// One metric of one binding under one set of labels.
  public struct Series: Sendable, Equatable {
    public var binding: String
    public var name: String
    /// In the order of their names.
    public var labels: Labels
    public var figure: Figure
  }

  /// Why a figure is not taken.
  struct Refusal: Error, Equatable {
    var message: String
  }

  static let namesMax = 32
  /// Of one binding, over all of its metrics; what would come on top is added up under the label `overflow`.
  static let seriesMax = 500
  static let overflow: Labels = [Label("overflow", "true")]

  private struct Key: Hashable {
    var name: String
    var labels: Labels
  }

  private struct Table {
    var names: [String: Bool] = [:]
    var series: [Key: Figure] = [:]
    /// Metrics of which sets of labels found no room.
    var overflowing: Set<String> = []
  }

  /// A lock for each binding, so that no policy waits for another's.
  private final class Owner: Sendable {
    let table = Mutex(Table())
  }

  private let owners = Mutex<[String: Owner]>([:])

  public init() {}

  private func owner(_ binding: String) -> Owner {
    owners.withLock { owners in
      if let known = owners[binding] { return known }
      let made = Owner()
      owners[binding] = made
      return made
    }
  }

  /// - Parameter amount: finite and not negative.
  /// - Returns: whether the labels are the first of this metric that found no room.
  @discardableResult
  func increment(
    _ binding: String, _ name: String, _ labels: Labels, by amount: Double
  ) throws(Refusal) -> Bool {
    try update(binding, name, labels, isCounter: true) { figure in
      if case .counter(let sum)? = figure { .counter(sum + amount) } else { .counter(amount) }
    }
  }

  /// - Parameter value: finite.
  /// - Returns: as `increment` does.
  @discardableResult
  func observe(_ binding: String, _ name: String, _ labels: Labels, _ value: Double) throws(Refusal) -> Bool {
    try update(binding, name, labels, isCounter: false) { figure in
      var distribution = Distribution()
      if case .distribution(let known)? = figure { distribution = known }
      distribution.record(value)
      return .distribution(distribution)
    }
  }

  private func update(
    _ binding: String, _ name: String, _ labels: Labels, isCounter: Bool, _ change: (Figure?) -> Figure
  ) throws(Refusal) -> Bool {
    var isFirstOverflow = false
    let refusal: String? = owner(binding).table.withLock { table in
      if let known = table.names[name], known != isCounter {
        return "\(name) is \(known ? "counted with incr" : "measured with observe"): it cannot be both"
      }
      if table.names[name] == nil {
        guard table.names.count < Self.namesMax else { return "a policy has at most \(Self.namesMax) metrics" }
        table.names[name] = isCounter
      }
      var key = Key(name: name, labels: labels)
      if table.series[key] == nil, table.series.count >= Self.seriesMax {
        key.labels = Self.overflow
        isFirstOverflow = table.overflowing.insert(name).inserted
      }
      table.series[key] = change(table.series[key])
      return nil
    }
    if let refusal { throw Refusal(message: refusal) }
    return isFirstOverflow
  }

  /// Everything so far; counters of one name stand together, and so do distributions.
  public var series: [Series] {
    let owners = owners.withLock { Array($0) }
    let all = owners.flatMap { binding, owner in
      owner.table.withLock { table in
        table.series.map { Series(binding: binding, name: $0.key.name, labels: $0.key.labels, figure: $0.value) }
      }
    }
    return all.sorted { $0.order.lexicographicallyPrecedes($1.order) }
  }
}

extension PolicyMetrics.Series {
  fileprivate var order: [String] {
    let kind = if case .counter = figure { "0" } else { "1" }
    return [name, kind, binding] + labels.flatMap { [$0.name, $0.value] }
  }
}

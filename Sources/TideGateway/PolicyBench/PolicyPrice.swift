/// What one policy adds to an exchange, in time of the processor.
public struct PolicyPrice: Sendable {
  /// The median over rounds, and the range of their middle half.
  public struct Figure: Sendable, Equatable {
    public var median: Double
    public var least: Double
    public var greatest: Double

    init(_ values: [Double]) {
      let sorted = values.sorted()
      median = sorted[sorted.count / 2]
      least = sorted[sorted.count / 4]
      greatest = sorted[sorted.count * 3 / 4]
    }
  }

  public var name: String
  /// What the policy, or the text path, adds to a request with a short answer: microseconds.
  public var requestUs: Figure
  /// What it adds to a token of the answer: nanoseconds.
  public var tokenNs: Figure
  /// Bytes of text in a token.
  public var tokenBytes: Double
}

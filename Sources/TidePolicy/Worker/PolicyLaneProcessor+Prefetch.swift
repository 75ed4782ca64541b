import CPrefetch
import TideCore

extension PolicyLaneProcessor {
  /// Bytes of a processor, from its beginning, that a token touches.
  private static let nearByteCount = 192

  /// Fetches what the next text will touch: the processor, then what it leads to.
  ///
  /// Takes an address, since a reference would be counted in the very memory that is to be fetched.
  @inline(__always)
  public static func prefetch(_ processor: Unmanaged<PolicyLaneProcessor>, _ distance: BodyDistance) {
    switch distance {
    case .soon: cprefetch(processor.toOpaque(), nearByteCount)
    case .next: processor._withUnsafeGuaranteedRef { $0.places.prefetch() }
    }
  }
}

import TideDialects

/// The filters of one binding on one lane.
struct LaneFilters: ~Copyable {
  var scanner: FilterScanner
  /// By place in the scanner's set, the filter's place in the policy's list.
  let places: [Int]

  /// - Parameter disabled: filters out of action, by their place in the policy's list.
  /// - Returns: nil when none looks for anything on the channel.
  init?(_ program: FilterProgram, _ channel: Channel, disabled: UInt64) {
    guard let scan = program.scan(channel) else { return nil }
    let out = scan.disabled(disabled)
    guard out.nonzeroBitCount < scan.places.count else { return nil }
    scanner = FilterScanner(scan.set)
    scanner.disabled = out
    places = scan.places
  }
}

/// What a process used while one count of connections was measured.
///
/// "Each" is a token, or a request when requests are measured.
public struct ProcessUse: Sendable, Equatable, Codable {
  public var name: String
  public var pid: Int32
  public var userS: Double
  public var systemS: Double
  /// Of one core.
  public var cpuPercent: Double
  public var cpuUsEach: Double
  public var userUsEach: Double
  public var systemUsEach: Double
  /// At the end of the measurement.
  public var residentBytes: Int
  /// All of its memory divided by the streams.
  public var residentBytesPerStream: Int
  /// What it had grown by since before the first connection, divided by the streams.
  public var grownBytesPerStream: Int

  /// Nil when the process had ended before the measurement did.
  init?(_ window: ProcessWindow, units: UInt64, elapsed: Double, streams: Int) {
    guard let before = window.before, let after = window.after else { return nil }
    let user = max(0, after.user - before.user)
    let system = max(0, after.system - before.system)
    func each(_ seconds: Double) -> Double { units > 0 ? Figure.rounded(seconds * 1e6 / Double(units), 3) : 0 }
    name = window.process.name
    pid = window.process.id
    userS = Figure.rounded(user, 3)
    systemS = Figure.rounded(system, 3)
    cpuPercent = elapsed > 0 ? Figure.rounded((user + system) / elapsed * 100, 1) : 0
    cpuUsEach = each(user + system)
    userUsEach = each(user)
    systemUsEach = each(system)
    residentBytes = after.residentBytes
    residentBytesPerStream = after.residentBytes / max(1, streams)
    grownBytesPerStream = (after.residentBytes - window.base.residentBytes) / max(1, streams)
  }
}

import Histogram
import TideCore

/// What a run measured, in plain numbers, and how to print it.
public struct BenchReport: Sendable {
  /// Percentiles of one duration, in microseconds.
  public struct Percentiles: Sendable {
    public var count: UInt64
    public var p50: Double
    public var p90: Double
    public var p99: Double
    public var max: Double

    init(_ buckets: LogBuckets) {
      let histogram = buckets.histogram
      count = buckets.total
      p50 = Double(histogram.valueAtPercentile(50)) / 1000
      p90 = Double(histogram.valueAtPercentile(90)) / 1000
      p99 = Double(histogram.valueAtPercentile(99)) / 1000
      max = Double(histogram.valueAtPercentile(100)) / 1000
    }
  }

  /// What a watched process used while the measurement ran.
  public struct ProcessUse: Sendable {
    public var id: Int32
    public var userSeconds: Double
    public var systemSeconds: Double
    public var residentBytes: Int

    init(id: Int32, before: ProcessSample, after: ProcessSample) {
      self.id = id
      userSeconds = after.user - before.user
      systemSeconds = after.system - before.system
      residentBytes = after.residentBytes
    }

    public var cpuSeconds: Double { userSeconds + systemSeconds }
  }

  public var connections: Int
  public var streams: Int
  public var isStreaming: Bool
  public var openedInMs: Int
  public var elapsedSeconds: Double
  public var tokens: UInt64
  public var completed: UInt64
  /// Streams open when the measurement ended.
  public var openStreams: Int
  /// Over the whole run.
  public var failures: BenchFailures
  public var gap: Percentiles
  public var lateness: Percentiles
  /// Over the whole run for token streams, over the measurement for requests.
  public var firstToken: Percentiles
  public var duration: Percentiles
  public var processes: [ProcessUse]

  init(
    settings: BenchSettings, openedInMs: Int, opening: BenchTally, measured: BenchTally, elapsedNs: UInt64,
    openStreams: Int, processes: [ProcessUse]
  ) {
    connections = settings.connections
    streams = settings.connections * settings.streamsPerConnection
    isStreaming = settings.kind != .requests
    self.openedInMs = openedInMs
    elapsedSeconds = Double(elapsedNs) / 1e9
    tokens = measured.tokens
    completed = measured.completed
    self.openStreams = openStreams
    var whole = opening
    whole += measured
    failures = whole.failures
    gap = Percentiles(measured.gap)
    lateness = Percentiles(measured.lateness)
    firstToken = Percentiles(settings.kind == .streams ? whole.firstToken : measured.firstToken)
    duration = Percentiles(measured.duration)
    self.processes = processes
  }

  public var tokensPerSecond: Double { elapsedSeconds > 0 ? Double(tokens) / elapsedSeconds : 0 }
  public var requestsPerSecond: Double { elapsedSeconds > 0 ? Double(completed) / elapsedSeconds : 0 }
  /// Measured time times streams over tokens: what one stream waits between two tokens.
  public var meanInterTokenMs: Double {
    tokens > 0 ? elapsedSeconds * Double(streams) / Double(tokens) * 1000 : 0
  }

  /// CPU of a watched process for each token, or for each request, in microseconds.
  public func cpuMicroseconds(_ process: ProcessUse) -> Double {
    let units = isStreaming ? tokens : completed
    return units > 0 ? process.cpuSeconds * 1e6 / Double(units) : 0
  }

  /// Lines for people.
  public func table() -> String {
    var lines = [
      "\(connections) connections, \(streams) streams, open after \(openedInMs) ms, measured \(Self.text(elapsedSeconds, 1)) s"
    ]
    if isStreaming {
      lines.append(
        "tokens        \(Self.text(tokensPerSecond, 0))/s, mean inter-token \(Self.text(meanInterTokenMs, 2)) ms")
      lines.append(Self.row("gap", gap, unit: "ms", scale: 1000))
      if lateness.count > 0 { lines.append(Self.row("lateness", lateness, unit: "ms", scale: 1000)) }
    }
    lines.append(
      "completed     \(completed), \(Self.text(requestsPerSecond, 0))/s; open at the end \(openStreams)")
    lines.append(Self.row(isStreaming ? "first token" : "first byte", firstToken, unit: "us", scale: 1))
    if !isStreaming { lines.append(Self.row("whole", duration, unit: "us", scale: 1)) }
    for process in processes {
      let each = Self.text(cpuMicroseconds(process), 2)
      let share = Self.text(process.cpuSeconds / max(elapsedSeconds, 0.001) * 100, 0)
      lines.append(
        "process \(process.id)  \(each) us/\(isStreaming ? "token" : "request") (user \(Self.text(process.userSeconds, 2)) s, "
          + "system \(Self.text(process.systemSeconds, 2)) s, \(share) %), resident "
          + "\(Self.text(Double(process.residentBytes) / 1048576, 1)) MiB, "
          + "\(Self.text(Double(process.residentBytes) / 1024 / Double(max(1, connections)), 1)) KiB a connection")
    }
    lines.append(
      "failures      \(failures.total) (connections \(failures.connections), statuses \(failures.statuses), resets "
        + "\(failures.resets), truncated \(failures.truncated))")
    return lines.joined(separator: "\n")
  }

  /// One JSON object for programs.
  public func json() -> String {
    let watched = processes.map { process in
      "{\"pid\":\(process.id),\"cpu_us_each\":\(Self.text(cpuMicroseconds(process), 3))"
        + ",\"user_s\":\(Self.text(process.userSeconds, 3)),\"system_s\":\(Self.text(process.systemSeconds, 3))"
        + ",\"resident_bytes\":\(process.residentBytes)}"
    }
    let members = [
      "\"connections\":\(connections)", "\"streams\":\(streams)", "\"opened_in_ms\":\(openedInMs)",
      "\"elapsed_s\":\(Self.text(elapsedSeconds, 3))", "\"tokens\":\(tokens)",
      "\"tokens_per_s\":\(Self.text(tokensPerSecond, 1))",
      "\"mean_inter_token_ms\":\(Self.text(meanInterTokenMs, 3))", "\"completed\":\(completed)",
      "\"requests_per_s\":\(Self.text(requestsPerSecond, 1))", "\"open_streams\":\(openStreams)",
      Self.member("gap_us", gap), Self.member("lateness_us", lateness), Self.member("first_token_us", firstToken),
      Self.member("duration_us", duration),
      "\"failures\":{\"connections\":\(failures.connections),\"statuses\":\(failures.statuses),"
        + "\"resets\":\(failures.resets),\"truncated\":\(failures.truncated)}",
      "\"processes\":[\(watched.joined(separator: ","))]",
    ]
    return "{" + members.joined(separator: ",") + "}"
  }

  private static func row(_ name: String, _ values: Percentiles, unit: String, scale: Double) -> String {
    let label = name + String(repeating: " ", count: max(1, 14 - name.utf8.count))
    let digits = scale > 1 ? 1 : 0
    return label
      + "p50 \(text(values.p50 / scale, digits))  p90 \(text(values.p90 / scale, digits))  "
      + "p99 \(text(values.p99 / scale, digits))  max \(text(values.max / scale, digits)) \(unit)"
  }

  private static func member(_ name: String, _ values: Percentiles) -> String {
    "\"\(name)\":{\"count\":\(values.count),\"p50\":\(text(values.p50, 1)),\"p90\":\(text(values.p90, 1)),"
      + "\"p99\":\(text(values.p99, 1)),\"max\":\(text(values.max, 1))}"
  }

  /// A number with so many decimals, without Foundation and without the locale.
  static func text(_ value: Double, _ decimals: Int) -> String {
    guard value.isFinite, abs(value) < 1e15 else { return "0" }
    var power = 1.0
    for _ in 0..<decimals { power *= 10 }
    let scaled = (abs(value) * power).rounded()
    let sign = value < 0 && scaled > 0 ? "-" : ""
    let whole = Int((scaled / power).rounded(.down))
    guard decimals > 0 else { return "\(sign)\(whole)" }
    let fraction = String(Int(scaled - Double(whole) * power))
    return "\(sign)\(whole)." + String(repeating: "0", count: max(0, decimals - fraction.utf8.count)) + fraction
  }
}

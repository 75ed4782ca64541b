import Testing

@testable import TideTelemetry

@Suite("Prometheus text")
struct PrometheusTextTests {
  /// A series as a scraper reads it.
  private struct Series: Hashable {
    var name: String
    var labels: [String: String]
  }

  /// Reads the exposition format back, strictly; anything unexpected is an issue.
  private func parse(_ text: String) -> (types: [String: String], values: [Series: Double]) {
    var types: [String: String] = [:]
    var values: [Series: Double] = [:]
    #expect(text.hasSuffix("\n"))
    for line in text.split(separator: "\n") {
      if line.hasPrefix("# HELP ") { continue }
      if line.hasPrefix("# TYPE ") {
        let parts = line.split(separator: " ")
        #expect(types.updateValue(String(parts[3]), forKey: String(parts[2])) == nil, "family twice: \(line)")
        continue
      }
      guard let match = line.wholeMatch(of: #/([a-z_]+)(?:\{(.*)\})? ([0-9.]+)/#) else {
        Issue.record("not a sample: \(line)")
        continue
      }
      var labels: [String: String] = [:]
      for label in (match.2 ?? "").matches(of: #/([a-z_]+)="((?:[^"\\]|\\.)*)"/#) {
        let value = String(label.2).replacing("\\\"", with: "\"").replacing("\\n", with: "\n")
        labels[String(label.1)] = value.replacing("\\\\", with: "\\")
      }
      let series = Series(name: String(match.1), labels: labels)
      #expect(values.updateValue(Double(match.3)!, forKey: series) == nil, "series twice: \(line)")
    }
    return (types, values)
  }

  @Test("what was counted on two workers reads back as one")
  func readBack() {
    let workers = [WorkerMetrics(), WorkerMetrics()]
    for (index, worker) in workers.enumerated() {
      var record = AccessRecord()
      record.outcome = "complete"
      record.dialect = "openai"
      record.cluster = "a\"b\\c\nd"
      record.status = 200
      record.durationMs = 15
      record.tokensIn = 10
      record.tokensOut = 20
      worker.record(record)
      worker.recordTimeToFirstToken(nanoseconds: 10_000_000)
      worker.recordTokenGap(nanoseconds: UInt64(25_000_000 * (index + 1)))
      worker.recordAttack("H2-01")
      worker.recordRefused("no_route")
      worker.recordDecoded("gzip")
      worker.recordUndecodable("ratio")
      worker.add(.downstreamBytesOut, 5)
      worker.recordTurn(nanoseconds: 1000)
    }
    var figures = GatewayFigures()
    figures.version = "1"
    figures.generation = 3
    for count in [1, 2] {
      var pool = GatewayFigures.Pool(cluster: "c", endpoint: "http://e")
      pool.opened = UInt64(count)
      pool.connections = count
      figures.pools.append(pool)
      var hook = GatewayFigures.Hook(binding: "word-filter", hook: "on_segment")
      hook.totalNs = 1_500_000
      hook.aborts = 1
      figures.hooks.append(hook)
    }
    let (types, values) = parse(PrometheusText.render(workers: workers, figures: figures))
    func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
      values[Series(name: name, labels: labels)]
    }

    let exchange = ["cluster": "a\"b\\c\nd", "dialect": "openai"]
    #expect(value("tidegate_exchanges_total", exchange.merging(["outcome": "complete", "status": "2xx"]) { $1 }) == 2)
    #expect(value("tidegate_tokens_total", exchange.merging(["gen_ai_token_type": "output"]) { $1 }) == 40)
    #expect(value("gen_ai_server_request_duration_seconds_sum", exchange) == 0.03)
    #expect(value("gen_ai_server_time_to_first_token_seconds_bucket", ["le": "0.01"]) == 2)
    #expect(value("gen_ai_server_time_to_first_token_seconds_bucket", ["le": "0.005"]) == 0)
    #expect(value("gen_ai_server_time_per_output_token_seconds_bucket", ["le": "0.04"]) == 1)
    #expect(value("gen_ai_server_time_per_output_token_seconds_bucket", ["le": "+Inf"]) == 2)
    #expect(value("gen_ai_server_time_per_output_token_seconds_count") == 2)
    #expect(value("tidegate_attacks_total", ["row": "H2-01"]) == 2)
    #expect(value("tidegate_refused_total", ["reason": "no_route"]) == 2)
    #expect(value("tidegate_decoded_total", ["coding": "gzip"]) == 2)
    #expect(value("tidegate_undecodable_total", ["reason": "ratio"]) == 2)
    #expect(value("tidegate_bytes_total", ["side": "downstream", "direction": "out"]) == 10)
    #expect(value("tidegate_pool_opened_total", ["cluster": "c", "endpoint": "http://e"]) == 3)
    #expect(value("tidegate_connections_open", ["side": "upstream"]) == 3)
    #expect(value("tidegate_hook_seconds_total", ["policy": "word-filter", "hook": "on_segment"]) == 0.003)
    #expect(value("tidegate_hook_aborts_total", ["policy": "word-filter", "hook": "on_segment"]) == 2)
    #expect(value("tidegate_generation") == 3)
    #expect(types["gen_ai_server_request_duration_seconds"] == "histogram" && types["tidegate_generation"] == "gauge")
    for series in values.keys {
      let family = series.name.replacing(#/_(bucket|sum|count)$/#, with: "")
      #expect(types[series.name] != nil || types[family] == "histogram", "\(series.name) has no type")
    }
  }

  @Test("nothing counted is legal text too")
  func empty() {
    let (types, _) = parse(PrometheusText.render(workers: [], figures: GatewayFigures()))
    #expect(types.count > 30)
  }

  @Test("decimals are exact")
  func decimals() {
    #expect(PrometheusWriter.decimal(78_125, unit: 1_000_000_000) == "0.000078125")
    #expect(PrometheusWriter.decimal(1_500_000_000, unit: 1_000_000_000) == "1.5")
    #expect(PrometheusWriter.decimal(2_000_000_000, unit: 1_000_000_000) == "2")
    #expect(PrometheusWriter.decimal(.max, unit: 1_000_000_000) == "18446744073.709551615")
    #expect(PrometheusWriter.escaped("a\u{1}b\r") == "a b ")
  }

  @Test("policies' own figures read back under their prefix and binding")
  func policyMetrics() {
    typealias Metric = GatewayFigures.PolicyMetric
    var figures = GatewayFigures()
    figures.policyMetrics = [
      Metric(binding: "a", name: "cost", labels: [("model", "m\"\n")], value: .counter(0.25)),
      Metric(binding: "b", name: "cost", labels: [], value: .counter(3)),
      Metric(
        binding: "a", name: "size", labels: [], value: .distribution(bounds: [0.5, 10], counts: [1, 0, 2], sum: 100.5)),
    ]
    let (types, values) = parse(PrometheusText.render(workers: [], figures: figures))
    #expect(types["tidegate_policy_cost_total"] == "counter" && types["tidegate_policy_size"] == "histogram")
    #expect(
      values[Series(name: "tidegate_policy_cost_total", labels: ["policy": "a", "model": "m\"\n"])] == 0.25)
    #expect(values[Series(name: "tidegate_policy_cost_total", labels: ["policy": "b"])] == 3)
    for (bound, count) in [("0.5", 1.0), ("10", 1), ("+Inf", 3)] {
      #expect(values[Series(name: "tidegate_policy_size_bucket", labels: ["policy": "a", "le": bound])] == count)
    }
    #expect(values[Series(name: "tidegate_policy_size_sum", labels: ["policy": "a"])] == 100.5)
    #expect(values[Series(name: "tidegate_policy_size_count", labels: ["policy": "a"])] == 3)
  }
}

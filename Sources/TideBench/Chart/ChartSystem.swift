import FoundationEssentials
import TideCore

/// One system's results as a chart reads them: from a run, or from a file that a run wrote.
///
/// Reads `results.json` and the lines of `--json`, and of them only what is drawn, so that files of other versions stay readable.
public struct ChartSystem: Sendable {
  /// One measured count.
  struct Point: Sendable, Decodable {
    struct Percentiles: Sendable, Decodable {
      var p50: Double
      var p99: Double
    }

    struct Use: Sendable, Decodable {
      var cpuUsEach: Double
      var residentBytes: Double
    }

    var label: String?
    var connections: Int
    var streams: Int?
    var meanInterTokenMs: Double?
    var gapUs: Percentiles?
    var latenessUs: Percentiles?
    var firstTokenUs: Percentiles?
    var processes: [Use]?
  }

  private struct Document: Decodable {
    var steps: [Point]
    var system: String?
  }

  public var name: String
  /// The machine, when the file tells it.
  var machine: String?
  var points: [Point]

  /// - Parameters:
  ///   - argument: `FILE` or `NAME=FILE`; the file may be the folder that holds `results.json`.
  /// - Throws: why the file is none of a run.
  public init(_ argument: String) throws(Diagnostic) {
    var path = argument
    var given: String?
    if let sign = argument.firstIndex(of: "="), !FileManager.default.fileExists(atPath: argument) {
      given = String(argument[..<sign])
      path = String(argument[argument.index(after: sign)...])
    }
    var isFolder = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw Diagnostic(file: path, message: "there is no such file", hint: "results.json, or NAME=FILE")
    }
    let file = isFolder ? "\(path)/results.json" : path
    guard let data = FileManager.default.contents(atPath: file) else {
      throw Diagnostic(file: file, message: "cannot be read")
    }
    self = try Self.parsed(Array(data), file: file)
    if let given, !given.isEmpty { name = given } else if name.isEmpty { name = Self.name(ofFile: file) }
  }

  init(_ results: BenchResults) throws(Diagnostic) {
    self = try Self.parsed(Array(results.json().utf8), file: "results.json")
    if name.isEmpty { name = results.url }
  }

  private init(_ points: [Point], machine: String?) {
    name = points.first?.label ?? ""
    self.machine = machine
    self.points = points
  }

  static func parsed(_ bytes: [UInt8], file: String) throws(Diagnostic) -> ChartSystem {
    do {
      if let document = try? ResultsCoding.decode(Document.self, from: bytes) {
        return ChartSystem(document.steps, machine: document.system)
      }
      let points = try bytes.split(separator: 0x0A).map { try ResultsCoding.decode(Point.self, from: $0) }
      guard !points.isEmpty else { throw Diagnostic(file: file, message: "is empty") }
      return ChartSystem(points, machine: nil)
    } catch let diagnostic as Diagnostic {
      throw diagnostic
    } catch {
      throw Diagnostic(
        file: file, message: "holds no results of `tidegate bench`", hint: "results.json, or what --json printed")
    }
  }

  /// `measured/envoy/results.json` is envoy's, `measured/envoy.json` too.
  private static func name(ofFile path: String) -> String {
    let parts = path.split(separator: "/").map(String.init)
    guard let last = parts.last else { return path }
    if last == "results.json", parts.count > 1 { return parts[parts.count - 2] }
    return last.hasSuffix(".json") ? String(last.dropLast(5)) : last
  }

  /// A line of the chart: counts that were measured several times become their median.
  func values(_ value: (Point) -> Double?) -> [(x: Double, y: Double)] {
    var found: [Int: [Double]] = [:]
    for point in points {
      if let value = value(point), value.isFinite { found[point.connections, default: []].append(value) }
    }
    return found.sorted { $0.key < $1.key }.map { count, values in
      let sorted = values.sorted()
      let middle = sorted.count / 2
      return (Double(count), sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2)
    }
  }
}

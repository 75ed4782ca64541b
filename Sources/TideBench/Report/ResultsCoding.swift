import FoundationEssentials

/// How results become JSON and come back.
enum ResultsCoding {
  static func text(_ value: some Encodable) -> String {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(value) else {
      preconditionFailure("results hold a number that JSON does not know")
    }
    return String(decoding: data, as: UTF8.self)
  }

  static func decode<Value: Decodable>(_ type: Value.Type, from text: some Sequence<UInt8>) throws -> Value {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(type, from: Data(text))
  }
}

extension BenchStep {
  /// One line of JSON.
  public func json() -> String { ResultsCoding.text(self) }
}

extension BenchResults {
  /// The JSON of `results.json`: the run's own members, and a line for each step.
  public func json() -> String {
    var run = self
    run.steps = []
    let lines = steps.map { $0.json() }.joined(separator: ",\n")
    // Inside a string a quote has a backslash before it, so that this is the member itself.
    return ResultsCoding.text(run).replacing("\"steps\":[]", with: "\"steps\":[\n\(lines)\n]") + "\n"
  }
}

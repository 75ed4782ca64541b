/// The members that the gateway itself must understand, with the provider's words when they are wrong.
enum RequestFields {
  static func model(_ object: JSONObject) throws(RequestProblem) -> String {
    guard let json = object.value("model") else {
      throw RequestProblem(
        message: "Missing required parameter: 'model'.", param: "model", code: "missing_required_parameter")
    }
    guard let name = JSONText.string(json: json), !name.isEmpty else {
      throw RequestProblem(message: "'model' must be a string that is not empty.", param: "model", code: "invalid_type")
    }
    return name
  }

  /// A boolean that may be absent or null.
  static func bool(_ object: JSONObject, _ name: String) throws(RequestProblem) -> Bool {
    guard let json = object.value(name) else { return false }
    if json.elementsEqual("true".utf8) { return true }
    if json.elementsEqual("false".utf8) || json.elementsEqual("null".utf8) { return false }
    throw RequestProblem(message: "'\(name)' must be true or false.", param: name, code: "invalid_type")
  }

  static func choiceCount(_ object: JSONObject) throws(RequestProblem) -> Int {
    guard let json = object.value("n"), !json.elementsEqual("null".utf8) else { return 1 }
    guard let count = JSONText.integer(json: json), count >= 1, count <= 128 else {
      throw RequestProblem(message: "'n' must be a whole number from 1 to 128.", param: "n", code: "invalid_value")
    }
    return Int(count)
  }

  static func includeUsage(_ object: JSONObject) throws(RequestProblem) -> Bool {
    guard let json = object.value("stream_options"), !json.elementsEqual("null".utf8) else { return false }
    guard json.first == UInt8(ascii: "{") else {
      throw RequestProblem(
        message: "'stream_options' must be an object.", param: "stream_options", code: "invalid_type")
    }
    switch JSONObject.parse(Array(json), strict: ["include_usage"]) {
    case .failure(let problem): throw problem
    case .success(let options): return try bool(options, "include_usage")
    }
  }
}

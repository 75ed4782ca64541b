/// The part of any other JSON request that the gateway routes by: `model` and `stream`. The rest passes as it came.
public final class RequestEnvelope {
  private var object: JSONObject
  public private(set) var model: String
  public let stream: Bool

  private init(object: JSONObject, model: String, stream: Bool) {
    self.object = object
    self.model = model
    self.stream = stream
  }

  /// Reads a body, as strictly as `ChatRequest.parse`.
  public static func parse(_ body: [UInt8]) -> Result<RequestEnvelope, RequestProblem> {
    switch JSONObject.parse(body, strict: ["model", "stream"]) {
    case .failure(let problem): return .failure(problem)
    case .success(let object):
      do throws(RequestProblem) {
        let model = try RequestFields.model(object)
        let stream = try RequestFields.bool(object, "stream")
        return .success(RequestEnvelope(object: object, model: model, stream: stream))
      } catch {
        return .failure(error)
      }
    }
  }

  public func setModel(_ name: String) {
    object.set("model", JSONText.quoted(name))
    model = name
  }

  /// The JSON of a top-level member; nil when it is absent.
  public func parameter(_ name: String) -> [UInt8]? { object.value(name).map { Array($0) } }

  /// The request as it leaves; byte for byte as it came when nothing was set.
  public func body() -> [UInt8] { object.body() }
}

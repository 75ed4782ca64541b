import Glibc
import TideCore
import TideDialects

/// What a request asks for, once its body is here.
extension EngineExchange {
  func decide() {
    let path = head.path.prefix { $0 != "?" }
    switch (head.method, path) {
    case ("GET", "/engine/stats"): return answer(200, EngineReport.stats(owner.ledgers))
    case ("GET", "/engine/last"): return answerLast()
    case ("GET", "/health"), ("GET", "/healthz"): return answer(200, EngineReport.stats(owner.ledgers))
    default: break
    }
    isCounted = true
    owner.ledger.began(EngineLedger.Seen(at: owner.worker.now, head: head, body: body, isHTTP2: isHTTP2))
    switch (head.method, path) {
    case ("POST", "/v1/chat/completions"): complete(.chat)
    case ("POST", "/v1/completions"): complete(.completion)
    case ("POST", "/v1/responses"), ("POST", "/v1/messages"): complete(nil)
    case ("POST", "/v1/messages/count_tokens"): countTokens()
    case ("POST", "/v1/embeddings"): embed()
    case ("GET", "/v1/models"): answer(200, JSONAnswers.models(created: seconds))
    case ("GET", _) where path.hasPrefix("/v1/models/"): answerModel(String(path.dropFirst("/v1/models/".count)))
    default:
      refuse(404, "Invalid URL (\(head.method) \(path))", code: "unknown_url")
    }
  }

  /// The answer of a request that is not streamed. Faults after N tokens have their nearest meaning here.
  func answerWhole() {
    guard let request, let plan, let stream else { return }
    let whole = ByteQueueBox()
    if let events {
      events.writeWhole(into: &whole.bytes)
    } else if let template {
      JSONAnswers.completion(
        plan, request, endpoint: template.endpoint, id: owner.nextID(), created: seconds, into: whole)
    }
    switch faults.breaks {
    case .stall:
      phase = .silent
    case .error:
      refuse(500)
    case .die, .eof:
      let headers = HeaderList([("content-type", "application/json")])
      stream.send(ResponseHead(status: 200, headers: headers, contentLength: whole.bytes.byteCount), endStream: false)
      whole.bytes.withBytes { stream.output.append($0.extracting(first: $0.byteCount / 2)) }
      phase = .dying
      stream.outputChanged()
    case .malformed:
      let cut = ByteQueueBox()
      whole.bytes.withBytes { cut.bytes.append($0.extracting(droppingLast: 2)) }
      answer(200, cut)
    case .none:
      answer(200, whole)
    }
    position = plan.tokenCount
  }

  private var seconds: UInt64 { UInt64(clamping: time(nil)) }

  /// The request's body read; nil, and the answer sent, when it is not what the endpoint takes.
  private func readBody() -> EngineRequest? {
    let bytes = body
    body = []
    switch bytes.withUnsafeBytes({ EngineRequest.read($0) }) {
    case .success(let request):
      return request
    case .failure(.notJSON):
      refuse(400, "The body of your request is not valid JSON.", code: "invalid_json")
    case .failure(.wrongType(let name)):
      refuse(400, "Invalid value for '\(name)'.", code: "invalid_value")
    }
    return nil
  }

  /// - Parameter endpoint: nil where events have names.
  private func complete(_ endpoint: ChunkTemplate.Endpoint?) {
    guard let request = readBody(), let directions = direct(request) else { return }
    let script = head.headers["x-engine-script"].map { AnswerPlan.escaped($0) }
    self.request = request
    let plan = AnswerPlan(request: request, directions: directions, script: script, settings: owner.settings)
    self.plan = plan
    if let endpoint {
      template = owner.template(endpoint, model: request.model)
      key = ChunkKey(id: owner.nextID(), created: seconds)
      choiceCount = request.choiceCount
    } else if dialect == .anthropic {
      events = MessagesAnswer(plan, request, id: owner.nextID(), created: seconds)
    } else {
      events = ResponsesAnswer(plan, request, id: owner.nextID(), created: seconds)
    }
    intervalNs = directions.interval ?? UInt64(clamping: owner.settings.intervalMicroseconds).multipliedClamping(1000)
    tellsDue = owner.settings.tellsDue || head.headers["x-engine-due"] == "1"
    hasUsageField = request.includesUsage
    start()
  }

  private func countTokens() {
    guard let request = readBody(), direct(request) != nil else { return }
    let box = ByteQueueBox()
    box.bytes.append("{\"input_tokens\":\(request.promptTokens)}" as String)
    answer(200, box)
  }

  private func embed() {
    guard let request = readBody(), direct(request) != nil else { return }
    answer(200, JSONAnswers.embeddings(request))
  }

  /// The directions of model name and header; nil when the request ends with them.
  private func direct(_ request: EngineRequest) -> EngineDirections? {
    var directions = EngineDirections()
    directions.read(String(decoding: request.model, as: UTF8.self))
    if let more = head.headers["x-engine-faults"] { directions.read(more) }
    faults = directions.faults
    if faults.diesBeforeHead {
      breakOff()
      return nil
    }
    if faults.status != 200 {
      refuse(faults.status, retryAfter: faults.retryAfter)
      return nil
    }
    return directions
  }

  private func start() {
    let now = owner.worker.now
    nextDue = now.advanced(byMs: faults.slowFirstMs)
    if faults.slowFirstMs > 0 {
      phase = .delayed
      scheduleBeat()
    } else {
      begin(now)
    }
  }

  private func answerModel(_ name: String) {
    guard JSONAnswers.modelNames.contains(name) else { return refuse(404) }
    let box = ByteQueueBox()
    JSONAnswers.model(name, created: seconds, into: box)
    answer(200, box)
  }

  private func answerLast() {
    let last = owner.ledgers.compactMap(\.last).max { $0.at < $1.at }
    guard let last else {
      return answer(404, JSONAnswers.error("No request has come yet.", type: "invalid_request_error", code: nil))
    }
    answer(200, EngineReport.last(last))
  }
}

extension UInt64 {
  fileprivate func multipliedClamping(_ factor: UInt64) -> UInt64 {
    let (product, overflow) = multipliedReportingOverflow(by: factor)
    return overflow ? .max : product
  }
}

import TideCore
import TideDialects

/// Errors in the dialect of the request.
extension EngineExchange {
  static func dialect(of head: RequestHead) -> Dialect {
    let path = head.path.prefix { $0 != "?" }
    if path.hasPrefix("/v1/messages") { return .anthropic }
    return path.hasPrefix("/v1/responses") ? .responses : .openAI
  }

  /// Sends the error that goes with a status when the request asked for it.
  func refuse(_ status: Int, retryAfter: Int = -1) {
    guard dialect == .anthropic else { return answer(status, JSONAnswers.refusal(status), retryAfter: retryAfter) }
    // Anthropic has a status of its own for an engine that is full.
    send(status == 503 ? 529 : status, "The engine refuses this request.", retryAfter: retryAfter)
  }

  /// Sends an error of the engine's own.
  func refuse(_ status: Int, _ message: String, code: String? = nil) {
    guard dialect == .anthropic else {
      return answer(status, JSONAnswers.error(message, type: "invalid_request_error", code: code))
    }
    send(status, message, retryAfter: -1)
  }

  private func send(_ status: Int, _ message: String, retryAfter: Int) {
    let box = ByteQueueBox()
    box.bytes.append(ErrorShape.anthropic(status: status, message: message))
    answer(status, box, retryAfter: retryAfter)
  }
}

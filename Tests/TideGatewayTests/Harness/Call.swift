import TideCore
import TideDialects

/// One request of a test and what came back. Filled on the client's worker, looked at from the test's thread.
final class Call: StreamConsumer, @unchecked Sendable {
  enum End: Equatable {
    case whole
    case reset(StreamReset)
    /// No connection could be had.
    case unreachable
  }

  struct State {
    var head: ResponseHead?
    var body: [UInt8] = []
    /// Bytes received whose credit is held back.
    var heldByteCount = 0
    var end: End?
  }

  let state = Watched(State())
  /// Whether credit is returned as bytes come; touched on the client's worker only.
  var isReading: Bool
  var stream: HTTPStream?

  init(isReading: Bool = true) { self.isReading = isReading }

  override func streamHead(_ stream: HTTPStream, _ head: ResponseHead, isInterim: Bool) {
    if !isInterim { state.change { $0.head = head } }
  }

  override func streamBody(_ stream: HTTPStream, _ bytes: UnsafeRawBufferPointer) {
    state.change {
      $0.body.append(contentsOf: bytes)
      if !isReading { $0.heldByteCount += bytes.count }
    }
    if isReading { stream.returnCredit(bytes.count) }
  }

  override func streamEnd(_ stream: HTTPStream, trailers: HeaderList?) { state.change { $0.end = $0.end ?? .whole } }

  override func streamReset(_ stream: HTTPStream, _ reason: StreamReset) {
    state.change { $0.end = $0.end ?? .reset(reason) }
  }

  // MARK: For the test

  /// Waits for the end and returns it.
  @discardableResult
  func finish() -> End? {
    state.wait { $0.end != nil }
    return state.current.end
  }

  func waitForHead() -> ResponseHead? {
    state.wait { $0.head != nil || $0.end != nil }
    return state.current.head
  }

  @discardableResult
  func wait(forBytes count: Int) -> Bool { state.wait { $0.body.count >= count || $0.end != nil } }

  var status: Int? { state.current.head?.status }
  var body: [UInt8] { state.current.body }
  var text: String { String(decoding: state.current.body, as: UTF8.self) }

  /// The text of a stream's first choice.
  var content: String {
    var result = ""
    for line in text.split(separator: "\n") where line.hasPrefix("data: ") {
      let marker = "\"content\":\""
      var rest = line[...]
      while let start = rest.firstRange(of: marker) {
        rest = rest[start.upperBound...]
        guard let end = rest.firstIndex(of: "\"") else { break }
        result += rest[..<end]
        rest = rest[end...]
      }
    }
    return result
  }

  var isDone: Bool { text.hasSuffix("data: [DONE]\n\n") }
}

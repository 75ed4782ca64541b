import TideCore

/// A consumer that writes down what it is told.
final class Recorder: StreamConsumer {
  var status: Int?
  var interim: [Int] = []
  var headers = HeaderList()
  var body: [UInt8] = []
  var hasEnded = false
  var trailers: HeaderList?
  var resets: [StreamReset] = []
  var closedCount = 0
  var takenByteCount = 0
  var takenCalls = 0
  var returnsCredit = true
  var onBody: ((HTTPStream) -> Void)?
  var onEnd: ((HTTPStream) -> Void)?
  var onTaken: (() -> Void)?

  /// Exactly one end, and nothing after it.
  var endCount: Int { resets.count + closedCount }

  override func streamHead(_ stream: HTTPStream, _ head: ResponseHead, isInterim: Bool) {
    if isInterim {
      interim.append(head.status)
    } else {
      status = head.status
      headers = head.headers
    }
  }

  override func streamBody(_ stream: HTTPStream, _ bytes: UnsafeRawBufferPointer) {
    body += Array(bytes)
    if returnsCredit { stream.returnCredit(bytes.count) }
    onBody?(stream)
  }

  override func streamEnd(_ stream: HTTPStream, trailers: HeaderList?) {
    hasEnded = true
    self.trailers = trailers
    onEnd?(stream)
  }

  override func streamReset(_ stream: HTTPStream, _ reason: StreamReset) { resets.append(reason) }
  override func streamClosed(_ stream: HTTPStream) { closedCount += 1 }

  override func streamTaken(_ stream: HTTPStream, byteCount: Int) {
    takenByteCount += byteCount
    takenCalls += 1
    onTaken?()
  }
}

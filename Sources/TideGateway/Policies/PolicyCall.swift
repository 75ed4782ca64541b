import TideCoding
import TideCore
import TideHTTP
import TideIO
import TidePolicy

/// One call of `tide.http`: from its pool to its whole answer, or to the first thing that goes wrong.
///
/// Its end is told once, and never inside `start`. Redirects are answers like any other.
final class PolicyCall: StreamConsumer, PoolWaiter {
  /// Where the call goes.
  struct Route {
    var pool: EndpointPool
    /// Path and query.
    var target: String
    /// The cluster's own, where one is called.
    var credentials: (name: String, value: Secret)?
  }

  private let request: FetchRequest
  private let timers: WorkerTimers
  private let completion: (Result<FetchResponse, FetchFailure>) -> Void
  private(set) var pool: EndpointPool?
  private var route: Route?
  private var stream: HTTPStream?
  private var head: ResponseHead?
  private var body: [UInt8] = []
  private var deadline: PolicyTimers.Token?
  private var isOver = false
  private var hasStarted = false
  private var hasTriedAgain = false

  init(
    _ request: FetchRequest, timers: WorkerTimers,
    completion: @escaping (Result<FetchResponse, FetchFailure>) -> Void
  ) {
    self.request = request
    self.timers = timers
    self.completion = completion
  }

  func start(_ route: Route) {
    self.route = route
    pool = route.pool
    deadline = timers.after(request.timeoutMs) { [unowned self] in
      deadline = nil
      end(.failure(FetchFailure(.timeout, "no whole answer within \(request.timeoutMs) ms")))
    }
    route.pool.request(self)
    hasStarted = true
  }

  /// Ends it in the next turn of the loop.
  func failLater(_ failure: FetchFailure) {
    deadline = timers.after(0) { [unowned self] in
      deadline = nil
      end(.failure(failure))
    }
  }

  /// Gives it up without telling anybody.
  func cancel() {
    isOver = true
    letGo()
  }

  private func end(_ result: Result<FetchResponse, FetchFailure>) {
    guard !isOver else { return }
    isOver = true
    letGo()
    completion(result)
  }

  private func letGo() {
    if let deadline { timers.cancel(deadline) }
    deadline = nil
    pool?.cancel(self)
    let stream = stream
    self.stream = nil
    stream?.reset(.cancelled)
  }

  // MARK: The pool

  func poolOffers(_ connection: any UpstreamConnection, of pool: EndpointPool) {
    guard !isOver, stream == nil, let route else { return }
    var headers = request.headers
    if let credentials = route.credentials, !headers.contains(credentials.name) {
      headers.set(credentials.name, credentials.value.reveal())
    }
    headers.set("accept-encoding", "identity")
    if !headers.contains("user-agent") { headers.set("user-agent", "tidegate") }
    let hasBody = !request.body.isEmpty
    let head = RequestHead(
      method: request.method, scheme: pool.endpoint.isSecure ? "https" : "http", authority: pool.endpoint.authority,
      path: route.target, headers: headers,
      contentLength: hasBody || ["POST", "PUT", "PATCH"].contains(request.method) ? request.body.count : nil)
    guard let opened = connection.open(head, endStream: !hasBody, consumer: self) else {
      return fail(FetchFailure(.closed, "the connection closed before the call was made"))
    }
    stream = opened
    if hasBody {
      opened.output.append(request.body)
      opened.end()
    }
  }

  func poolFailed(_ failure: PoolFailure, of pool: EndpointPool) {
    switch failure {
    case .resolve(let reason): fail(FetchFailure(.resolve, reason))
    case .connect(let reason): fail(FetchFailure(.connect, reason))
    case .forbidden(let reason): fail(FetchFailure(.forbidden, reason))
    case .timedOut: fail(FetchFailure(.timeout, "no connection in time"))
    case .full: fail(FetchFailure(.busy, "every connection to \(pool.endpoint.authority) is in use"))
    }
  }

  private func fail(_ failure: FetchFailure) {
    guard hasStarted else {
      if let deadline { timers.cancel(deadline) }
      return failLater(failure)
    }
    end(.failure(failure))
  }

  // MARK: The answer

  override func streamHead(_ stream: HTTPStream, _ head: ResponseHead, isInterim: Bool) {
    guard stream === self.stream, !isInterim else { return }
    self.head = head
    if let announced = head.contentLength, announced > request.bodyBytesMax, request.method != "HEAD" { tooLarge() }
  }

  override func streamBody(_ stream: HTTPStream, _ bytes: UnsafeRawBufferPointer) {
    guard stream === self.stream else { return stream.returnCredit(bytes.count) }
    stream.returnCredit(bytes.count)
    guard body.count + bytes.count <= request.bodyBytesMax else { return tooLarge() }
    body.append(contentsOf: bytes)
  }

  override func streamEnd(_ stream: HTTPStream, trailers: HeaderList?) {
    guard stream === self.stream else { return }
    guard let head else { return closed() }
    // The stream ends in its own time; a reset now would cost its connection.
    self.stream = nil
    stream.consumer = nil
    end(decoded(head))
  }

  /// The whole answer, its content coding undone if it has one; one that is not known is the policy's to read.
  private func decoded(_ head: ResponseHead) -> Result<FetchResponse, FetchFailure> {
    var response = FetchResponse(status: head.status, headers: head.headers, body: body)
    guard !body.isEmpty, case .coded(let coding) = ContentEncoding(head.headers.joined("content-encoding")) else {
      return .success(response)
    }
    switch body.withUnsafeBytes({ ContentDecoder.decode($0, coding, byteLimit: request.bodyBytesMax) }) {
    case .success(let plain):
      response.body = plain
      response.headers.remove("content-encoding")
      response.headers.remove("content-length")
      return .success(response)
    case .failure(.tooLarge):
      return .failure(
        FetchFailure(.tooLarge, "the answer is larger than \(request.bodyBytesMax) bytes when it is decoded"))
    case .failure(let failure): return .failure(FetchFailure(.closed, "the answer \(failure.message)"))
    }
  }

  override func streamReset(_ stream: HTTPStream, _ reason: StreamReset) {
    guard stream === self.stream else { return }
    self.stream = nil
    if reason == .refused, head == nil, !hasTriedAgain, let pool {
      // The other side has not looked at it.
      hasTriedAgain = true
      return pool.request(self)
    }
    closed()
  }

  private func closed() { end(.failure(FetchFailure(.closed, "the connection closed before the answer was whole"))) }

  private func tooLarge() {
    end(.failure(FetchFailure(.tooLarge, "the answer is larger than \(request.bodyBytesMax) bytes")))
  }
}

import TideCore
import TideHTTP
import TideIO
import TideTelemetry

/// `/healthz /readyz /policies /config /metrics`, on a worker of their own so that a scrape costs no stream a turn.
final class AdminServer: HTTPRequestHandler, @unchecked Sendable {
  private let io: Worker
  private let state: GatewayState
  private let workers: [GatewayWorker]
  private let log: GatewayLog
  private var server: HTTPServer?

  init(
    io: Worker, socket: ListeningSocket, state: GatewayState, log: GatewayLog,
    workers: [GatewayWorker]
  ) {
    self.io = io
    self.state = state
    self.log = log
    self.workers = workers
    var settings = HTTPServerSettings()
    settings.connectionLimit = 64
    server = HTTPServer(worker: io, name: "admin", socket: socket, settings: settings, handler: self)
  }

  func serve(_ head: RequestHead, on stream: HTTPStream, of connection: HTTPServerConnection, endStream: Bool) {
    let answer = AdminAnswer(isBodiless: head.method == "HEAD")
    stream.consumer = answer
    guard case .success(let path) = CanonicalPath.make(head.path), path.target == head.path else {
      return answer.send(400, "text/plain", "The path is not in canonical form.\n", on: stream)
    }
    guard head.method == "GET" || head.method == "HEAD" else {
      return answer.send(405, "text/plain", "Only GET is served here.\n", on: stream)
    }
    switch path.path {
    case "/healthz": answer.send(200, "text/plain", "ok\n", on: stream)
    case "/readyz":
      if state.isDraining {
        answer.send(503, "text/plain", "draining\n", on: stream)
      } else {
        answer.send(200, "text/plain", "ready\n", on: stream)
      }
    case "/policies":
      collect { [state] figures in answer.send(200, "application/json", state.policiesJSON(figures), on: stream) }
    case "/config": answer.send(200, "text/yaml; charset=utf-8", state.configurationText(), on: stream)
    case "/metrics":
      collect { [state, log, workers] figures in
        answer.send(
          200, PrometheusText.contentType,
          PrometheusText.render(
            workers: workers.map(\.metrics), figures: state.gatewayFigures(figures, droppedLogLines: log.droppedCount)),
          on: stream)
      }
    case "/":
      answer.send(200, "text/plain", "/healthz\n/readyz\n/policies\n/config\n/metrics\n", on: stream)
    default:
      answer.send(404, "text/plain", "Nothing here; try /healthz /readyz /policies /config /metrics.\n", on: stream)
    }
  }

  /// Asks every worker for its figures and answers on this thread when all have.
  private func collect(_ then: @escaping ([WorkerFigures]) -> Void) {
    let gathering = Gathering(count: workers.count, then: then)
    for worker in workers {
      worker.io.post { [io] _ in
        let figures = worker.figures()
        io.post { _ in gathering.add(figures, of: worker.index) }
      }
    }
  }
}

/// Figures on their way in. Touched on the admin thread only; carried through mailboxes, hence unchecked.
private final class Gathering: @unchecked Sendable {
  private var figures: [(index: Int, figures: WorkerFigures)] = []
  private let count: Int
  private let then: ([WorkerFigures]) -> Void

  init(count: Int, then: @escaping ([WorkerFigures]) -> Void) {
    self.count = count
    self.then = then
  }

  func add(_ one: WorkerFigures, of index: Int) {
    figures.append((index, one))
    if figures.count == count { then(figures.sorted { $0.index < $1.index }.map(\.figures)) }
  }
}

/// One small answer on the admin listener.
private final class AdminAnswer: StreamConsumer {
  private let isBodiless: Bool

  init(isBodiless: Bool) { self.isBodiless = isBodiless }

  func send(_ status: Int, _ type: String, _ text: String, on stream: HTTPStream) {
    guard stream.carrier != nil else { return }
    let bytes = Array(text.utf8)
    let headers = HeaderList([("content-type", type), ("cache-control", "no-store")])
    stream.send(ResponseHead(status: status, headers: headers, contentLength: bytes.count), endStream: isBodiless)
    if !isBodiless { stream.output.append(bytes) }
    stream.end()
  }

  override func streamBody(_ stream: HTTPStream, _ bytes: UnsafeRawBufferPointer) { stream.returnCredit(bytes.count) }
}

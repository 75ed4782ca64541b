import TideCore
import TideIO

/// A simulated inference engine that speaks OpenAI's API and Anthropic's Messages over HTTP/1.1 and HTTP/2 in the clear.
///
/// A program of its own as `tidegate engine`, and the upstream of the default configuration: the gateway starts one on a
/// loopback port and needs no special case for it. Started and stopped by one thread; it runs on workers of its own.
public final class Engine {
  private let settings: EngineSettings
  private let ledgers: [EngineLedger]
  private var workers: [EngineWorker] = []

  public init(_ settings: EngineSettings = EngineSettings()) {
    self.settings = settings
    ledgers = (0..<max(1, settings.workers)).map { _ in EngineLedger() }
  }

  deinit { stop() }

  /// Binds and starts the workers.
  ///
  /// - Returns: where the engine listens, with the port that the kernel chose when the settings left it open.
  /// - Throws: `Diagnostic` when the address cannot be used.
  @discardableResult
  public func start() throws -> SocketAddress {
    precondition(workers.isEmpty, "an engine was started twice")
    try Listener.probe(settings.address)
    var address = settings.address
    var started: [EngineWorker] = []
    for index in ledgers.indices {
      let worker = EngineWorker(index: index, settings: settings, ledgers: ledgers)
      address = try worker.listen(on: address)
      started.append(worker)
    }
    for worker in started { worker.worker.start() }
    workers = started
    return address
  }

  /// Ends every connection and waits for the workers.
  public func stop() {
    for worker in workers { worker.worker.stop() }
    for worker in workers { worker.worker.join() }
    workers = []
  }

  /// Streams and requests that are being answered now. Thread-safe.
  public var activeStreams: Int { ledgers.reduce(0) { $0 + $1.counts.active } }
  /// Requests whose client left before the end. Thread-safe.
  public var cancelledStreams: Int { ledgers.reduce(0) { $0 + $1.counts.cancelled } }
}

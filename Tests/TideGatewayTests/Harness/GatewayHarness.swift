import Glibc
import TideConfig
import TideCore
import TideEngine
import TideHTTP
import TideIO
import TidePolicy
import TideTelemetry

@testable import TideGateway

/// One gateway worker on a loopback port, with the engine it forwards to and the folder its policies lie in.
final class GatewayHarness: @unchecked Sendable {
  struct NotBuilt: Error { var diagnostics: [Diagnostic] }

  /// Where `{engine}` stands in a configuration, the engine's address is put; `{folder}` is the harness's folder.
  static func plain(_ more: String = "") -> String {
    """
    clusters: [ { name: engine, endpoints: [ { url: "http://{engine}", protocol: h2c } ] } ]
    models: [ { id: "*", cluster: engine } ]
    routes: [ { name: default, cluster: by-model } ]
    \(more)
    """
  }

  let folder: String
  let engine: Engine
  let engineAddress: SocketAddress
  let io = Worker(index: 0)
  let address: SocketAddress
  let client: TestClient
  let log: GatewayLog
  private(set) var worker: GatewayWorker!
  let stores = SharedStore()
  private let builder: GenerationBuilder
  private let isAutomatic: Bool
  private var isStopped = false

  init(
    _ configuration: String = GatewayHarness.plain(), policies: [String: String] = [:],
    engine settings: EngineSettings = EngineSettings(mode: .lorem, intervalMicroseconds: 0),
    client choice: HTTPVersionChoice = .http2, auto: Bool = true
  ) throws {
    isAutomatic = auto
    var template = Array("/tmp/tidegate-test-XXXXXX\0".utf8CString)
    folder = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
    mkdir(folder + "/Plugins", 0o755)
    engine = Engine(settings)
    engineAddress = try engine.start()
    for (name, text) in policies { Self.write(text, to: folder + "/Plugins/\(name).lua") }
    Self.write(Self.whole(configuration, folder, engineAddress, auto: isAutomatic), to: folder + "/tidegate.yaml")
    let relay = PolicyLogRelay()
    builder = GenerationBuilder(
      configPath: folder + "/tidegate.yaml", environment: [:], services: .gateway(log: relay))
    let built = try Self.build(builder)
    log = try GatewayLog(built.generation.configuration.log)
    relay.connect(log)
    let socket = try ListeningSocket(address: SocketAddress("127.0.0.1:0")!)
    address = socket.address
    client = TestClient(address, choice)
    worker = GatewayWorker(
      io: io, workerCount: 1,
      generation: WorkerGeneration(
        generation: built.generation,
        policies: try PolicyWorker(blueprint: built.generation.policies, stores: stores, workerIndex: 0)),
      resolver: Resolver(), metrics: WorkerMetrics(), log: log)
    // A machine that stands still for a second must fail no test.
    worker.shedLagMs = .max
    // A thousand tests share the machine: a client may not get to its first byte for as long as others must not take for it.
    var settings = HTTPServerSettings()
    settings.openingDeadlineMs = 600_000
    worker.listen(name: "test", socket: socket, tls: nil, settings: settings)
    io.start()
  }

  private static func build(_ builder: GenerationBuilder) throws -> GenerationBuilder.Built {
    switch builder.build() {
    case .success(let built): return built
    case .failure(let failure): throw NotBuilt(diagnostics: failure.diagnostics)
    }
  }

  private static func whole(
    _ configuration: String, _ folder: String, _ engine: SocketAddress, auto: Bool
  ) -> String {
    """
    listeners: [ { address: "127.0.0.1:8080" } ]
    plugins: { folder: Plugins, auto: \(auto) }
    log: { access: "\(folder)/access.log", level: error, format: json }
    \(configuration.replacing("{engine}", with: engine.description).replacing("{folder}", with: folder))
    """
  }

  static func write(_ text: String, to path: String) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    _ = text.withCString { Glibc.write(descriptor, $0, strlen($0)) }
    close(descriptor)
  }

  /// Writes a policy's file and hands the next generation to the worker, as a reload does.
  func reload(_ configuration: String? = nil, policies: [String: String] = [:]) throws {
    for (name, text) in policies { Self.write(text, to: folder + "/Plugins/\(name).lua") }
    if let configuration {
      Self.write(Self.whole(configuration, folder, engineAddress, auto: isAutomatic), to: folder + "/tidegate.yaml")
    }
    let built = try Self.build(builder)
    let local = WorkerGeneration(
      generation: built.generation,
      policies: try PolicyWorker(blueprint: built.generation.policies, stores: stores, workerIndex: 0))
    io.perform { [worker] _ in worker!.adopt(local) }
  }

  /// Hands the worker several generations before its next turn.
  func adoptInOneTurn(_ count: Int) throws -> [PolicyWorker] {
    let locals = try (0..<count).map { _ in
      let built = try Self.build(builder)
      return WorkerGeneration(
        generation: built.generation,
        policies: try PolicyWorker(blueprint: built.generation.policies, stores: stores, workerIndex: 0))
    }
    io.perform { [worker] _ in for local in locals { worker!.adopt(local) } }
    // What they posted has run.
    io.perform { _ in () }
    return locals.map(\.policies)
  }

  var figures: WorkerFigures { io.perform { [worker] _ in worker!.figures() } }

  /// The most that one exchange holds now, for either side.
  var bufferedByteCountMax: Int { io.perform { [worker] _ in worker!.bufferedByteCountMax } }

  /// The most that one exchange keeps of a coded answer now.
  var codedByteCountMax: Int {
    io.perform { [worker] _ in worker!.exchanges.map { $0.decoder?.codedByteCount ?? 0 }.max() ?? 0 }
  }

  /// Asks until it is so; each question is a round trip to the worker, not a pause.
  func eventually(_ isSo: () -> Bool) -> Bool {
    let deadline = MonotonicTime.now().advanced(byMs: 15_000)
    while !isSo() {
      if MonotonicTime.now() > deadline { return false }
      io.perform { _ in () }
      sched_yield()
    }
    return true
  }

  /// Stops everything and returns the lines of the access log.
  @discardableResult
  func stop() -> [String] {
    guard !isStopped else { return [] }
    isStopped = true
    client.stop()
    io.stop()
    io.join()
    engine.stop()
    builder.stopEngines()
    log.close()
    let lines = FileReader.read(folder + "/access.log").map { String(decoding: $0, as: UTF8.self) } ?? ""
    removeFolder()
    return lines.split(separator: "\n").map(String.init)
  }

  private func removeFolder() {
    for name in ["Plugins", ""] {
      let path = name.isEmpty ? folder : folder + "/" + name
      guard let handle = opendir(path) else { continue }
      while let entry = readdir(handle) {
        let file = withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        unlink(path + "/" + file)
      }
      closedir(handle)
      rmdir(path)
    }
  }
}

extension WorkerFigures {
  var streams: Int { pools.reduce(0) { $0 + $1.streams } }
}

extension [String] {
  /// The `outcome` of each line of an access log.
  var outcomes: [String] {
    compactMap { line in
      line.firstRange(of: "\"outcome\":\"").map { String(line[$0.upperBound...].prefix { $0 != "\"" }) }
    }
  }
}

extension GatewayWorker {
  /// The most that one exchange holds for either side.
  var bufferedByteCountMax: Int {
    exchanges.map { $0.downstream.output.byteCount + ($0.upstream?.output.byteCount ?? 0) + $0.pendingUpload.byteCount }
      .max() ?? 0
  }
}

import Synchronization
import TideCore
import TideDialects
import TideIO
import TideLua

@testable import TidePolicy

#if canImport(Glibc)
  import Glibc
#endif

/// A clock that tests move, and the log lines that policies wrote.
final class FixtureServices: Sendable {
  private let clock = Mutex<UInt64>(1_000_000_000_000)
  private let entries = Mutex<[PolicyLogEntry]>([])

  func advance(ms: Int) { clock.withLock { $0 += UInt64(ms) * 1_000_000 } }
  var log: [PolicyLogEntry] { entries.withLock { $0 } }

  var services: PolicyHostServices {
    PolicyHostServices(
      sha256: { text in
        // Not SHA-256: 32 bytes that depend on all of the text, which is what these tests need of it.
        var hash = ContentHash()
        hash.add(Array(text))
        return (0..<4).flatMap { part in withUnsafeBytes(of: (hash.value &+ UInt64(part)).bigEndian) { Array($0) } }
      },
      hmac: { key, text in Array(key) + Array(text) },
      signatureKey: { material in
        do throws(KeyProblem) { return .success(try OpenSSLKey.make(material)) } catch { return .failure(error) }
      },
      log: { entry in self.entries.withLock { $0.append(entry) } },
      now: { self.clock.withLock { MonotonicTime(nanoseconds: $0) } },
      wallClockMs: { 1_700_000_000_000 })
  }

  /// What the policies see as the digest of a text, in hex.
  func digest(_ text: String) -> String {
    var text = text
    return text.withUTF8 { BindingHost.hex(services.sha256(UnsafeRawBufferPointer($0))) }
  }
}

/// A folder in the temporary directory that is gone with its owner.
final class TemporaryFolder {
  let path: String

  init() {
    var template = Array("/tmp/tide-policy-XXXXXX".utf8CString)
    path = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
  }

  deinit { remove(path) }

  private func remove(_ path: String) {
    if let directory = opendir(path) {
      while let entry = readdir(directory) {
        let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        if name != "." && name != ".." { remove(path + "/" + name) }
      }
      closedir(directory)
      rmdir(path)
    } else {
      unlink(path)
    }
  }

  func write(_ name: String, _ text: String) {
    var folder = path
    for part in name.split(separator: "/").dropLast() {
      folder += "/" + part
      mkdir(folder, 0o755)
    }
    guard let file = fopen(path + "/" + name, "w") else { return }
    fputs(text, file)
    fclose(file)
  }
}

/// The shipped policies' folder.
let shippedFolder = String(#filePath.prefix(upTo: #filePath.range(of: "/Tests/")!)) + "/Plugins"

extension String {
  fileprivate func range(of text: String) -> String.Index? {
    indices.first { self[$0...].hasPrefix(text) }
  }
}

func map(_ entries: (String, PolicyValue)...) -> PolicyValue { .map(entries.map { PolicyValue.Entry($0.0, $0.1) }) }

/// Policies from texts or from the shipped folder, one worker, and exchanges over them.
final class PolicyFixture {
  let services: FixtureServices
  let store = SharedStore()
  let blueprint: PolicyBlueprint
  let worker: PolicyWorker

  init(
    _ sources: [(String, String)], bindings: [PolicyBinding]? = nil, routes: [String: [PolicyBinding]] = [:],
    without: [String: Set<String>] = [:], anonymous: Set<String> = [], folder: String? = nil,
    files: [String: ConfigNode] = [:], services: FixtureServices = FixtureServices()
  ) throws {
    self.services = services
    let temporary = TemporaryFolder()
    for (name, text) in sources { temporary.write(name + ".lua", text) }
    blueprint = try Self.compile(
      PolicyFolder(path: folder ?? temporary.path), bindings ?? sources.map { PolicyBinding(policy: $0.0) },
      routes: routes,
      without: without, anonymous: anonymous, files: files, services: services
    ).get()
    worker = try PolicyWorker(blueprint: blueprint, stores: store, workerIndex: 0)
  }

  static func compile(
    _ folder: PolicyFolder, _ bindings: [PolicyBinding], routes: [String: [PolicyBinding]] = [:],
    without: [String: Set<String>] = [:], anonymous: Set<String> = [], auto: Bool = true,
    files: [String: ConfigNode] = [:], services: FixtureServices = FixtureServices()
  ) -> Result<PolicyBlueprint, PolicyLoadFailure> {
    PolicyCompiler.compile(
      folder: folder, bindings: bindings, routeBindings: routes, without: without, anonymousRoutes: anonymous,
      auto: auto,
      configDirectory: "/etc/tide", services: services.services,
      loadFile: { (path: String) throws(Diagnostic) -> LoadedFile in
        guard let content = files[path] else { throw Diagnostic(file: path, message: "no such file") }
        return LoadedFile(content: content, hash: UInt64(path.utf8.count))
      })
  }

  /// Problems of one policy's text under one binding.
  static func problems(_ text: String, config: ConfigNode = ConfigNode(.map([])), name: String = "p") -> [Diagnostic] {
    let temporary = TemporaryFolder()
    temporary.write(name + ".lua", text)
    let binding = PolicyBinding(policy: name, config: config, file: "tidegate.yaml", line: 3, column: 5)
    switch compile(PolicyFolder(path: temporary.path), [binding]) {
    case .success: return []
    case .failure(let failure): return failure.diagnostics
    }
  }

  /// A chat exchange that has reached `route`.
  func run(
    _ text: String = "hello", model: String = "echo", headers: [(String, String)] = [], route: String = "chat",
    path: String = "/v1/chat/completions", stream: Bool = true, body: String? = nil
  ) -> PolicyRun {
    let context = ExchangeContext(
      id: "req-1",
      request: RequestHead(method: "POST", authority: "api.example.com:8080", path: path, headers: HeaderList(headers)))
    context.kind = .chat
    context.client.ip = "192.0.2.7"
    context.isStreaming = stream
    let body = body ?? "{\"model\":\"\(model)\",\"messages\":[{\"role\":\"user\",\"content\":\"\(text)\"}]}"
    if case .success(let chat) = ChatRequest.parse(Array(body.utf8)) { context.chat = chat }
    context.model = model
    context.requestSize = body.utf8.count
    let run = PolicyRun(worker: worker, context: context)
    run.begin(route: route)
    return run
  }
}

extension PolicyRun {
  /// The exchange is over, and its worker has come to `on_log`.
  func log() {
    runLog()
    worker.logs.runAll()
  }
}

/// Drives a processor as the dialect does.
struct LaneDriver {
  let processor: PolicyLaneProcessor
  var text = ""
  var steps: [LaneStep] = []

  init(_ processor: PolicyLaneProcessor) { self.processor = processor }

  mutating func delta(_ text: String, choice: Int32 = 0, channel: Channel = .text) {
    var copy = text
    var out = ByteQueue()
    let step = copy.withUTF8 {
      processor.laneDelta(LaneID(choice: choice, channel: channel), UnsafeRawBufferPointer($0), into: &out)
    }
    finish(step, out.readableBytes)
  }

  mutating func end(choice: Int32 = 0, channel: Channel = .text) {
    var out = ByteQueue()
    let step = processor.laneEnd(LaneID(choice: choice, channel: channel), into: &out)
    finish(step, out.readableBytes)
  }

  private mutating func finish(_ step: LaneStep, _ bytes: UnsafeRawBufferPointer) {
    text += String(decoding: bytes, as: UTF8.self)
    if step != .proceed { steps.append(step) }
  }

  /// All of an answer, delta by delta.
  mutating func answer(_ deltas: [String]) -> String {
    for delta in deltas where steps.isEmpty { self.delta(delta) }
    if steps.isEmpty { end() }
    return text
  }
}

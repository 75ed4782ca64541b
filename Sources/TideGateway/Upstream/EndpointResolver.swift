import TideCore
import TideIO

/// One worker's memory of where endpoints' names lead: asked again every 30 s, the old answer serving meanwhile.
final class EndpointResolver {
  static let lifetimeMs = 30_000

  private struct Entry {
    var addresses: [SocketAddress]
    var expires: MonotonicTime
    var next = 0
    var isRefreshing = false
  }

  private let resolver: Resolver
  private var entries: [String: Entry] = [:]

  init(resolver: Resolver) { self.resolver = resolver }

  /// An address to dial now, each of a name's in turn; nil when the name has to be resolved first.
  func address(of endpoint: Endpoint, worker: Worker) -> SocketAddress? {
    if let literal = SocketAddress(host: endpoint.host, port: UInt16(clamping: endpoint.port)) { return literal }
    let key = key(endpoint)
    guard var entry = entries[key], !entry.addresses.isEmpty else { return nil }
    let address = entry.addresses[entry.next % entry.addresses.count]
    entry.next = (entry.next + 1) % entry.addresses.count
    let isStale = entry.expires <= worker.now && !entry.isRefreshing
    if isStale { entry.isRefreshing = true }
    entries[key] = entry
    if isStale { resolve(endpoint, on: worker) { _ in } }
    return address
  }

  /// An address of the endpoint's name that its pool may not dial, though its neighbours may be fine; the one that is about to be
  /// dialled is judged too, so that no later answer slips in between.
  func forbiddenAddress(of endpoint: Endpoint, dialled: SocketAddress) -> SocketAddress? {
    if endpoint.reach == .everywhere { return nil }
    let known = entries[key(endpoint)]?.addresses ?? []
    return ([dialled] + known).first { !endpoint.reach.allows($0) }
  }

  /// Resolves and remembers; `completion` gets what went wrong, or nil. A failure keeps an older answer.
  func resolve(_ endpoint: Endpoint, on worker: Worker, completion: @escaping (String?) -> Void) {
    let key = key(endpoint)
    resolver.resolve(host: endpoint.host, port: UInt16(clamping: endpoint.port), on: worker) { [self] result in
      switch result {
      case .success(let addresses):
        entries[key] = Entry(addresses: addresses, expires: worker.now.advanced(byMs: Self.lifetimeMs))
        completion(nil)
      case .failure(let problem):
        if var entry = entries[key] {
          entry.isRefreshing = false
          entry.expires = worker.now.advanced(byMs: Self.lifetimeMs)
          entries[key] = entry
          completion(nil)
        } else {
          completion("\(problem)")
        }
      }
    }
  }

  private func key(_ endpoint: Endpoint) -> String { "\(endpoint.host):\(endpoint.port)" }
}

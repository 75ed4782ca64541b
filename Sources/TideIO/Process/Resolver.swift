import CLinux
import Glibc
import TideCore

/// Why a host name has no address.
public struct ResolveFailure: Error, Sendable, Equatable, CustomStringConvertible {
  public let host: String
  public let reason: String
  public var description: String { "cannot resolve \(host): \(reason)" }
}

/// Finds addresses of names by getaddrinfo, which blocks, on a thread of its own.
public final class Resolver: Sendable {
  private struct Request: Sendable {
    let host: String
    let port: UInt16
    let worker: Worker
    let completion: Completion
  }

  /// Unchecked Sendable: made on the worker's thread, carried through the resolver's unseen, called on the worker's thread.
  private struct Completion: @unchecked Sendable {
    let call: (Result<[SocketAddress], ResolveFailure>) -> Void
  }

  private struct State {
    var waiting: [Request] = []
    var hasThread = false
  }

  private let state = Locked(State())

  public init() {}

  /// Calls `completion` on `worker`'s thread, which must be the caller's: at once for an IP literal, else when the system has
  /// answered. Equal names asked for at the same time are asked for again; caching is the caller's.
  public func resolve(
    host: String, port: UInt16, on worker: Worker,
    completion: @escaping (Result<[SocketAddress], ResolveFailure>) -> Void
  ) {
    if let literal = SocketAddress(host: host, port: port) { return completion(.success([literal])) }
    let request = Request(host: host, port: port, worker: worker, completion: Completion(call: completion))
    let mustStart = state.withLock { state in
      state.waiting.append(request)
      defer { state.hasThread = true }
      return !state.hasThread
    }
    guard mustStart else { return }
    var thread: UInt = 0
    let me = Unmanaged.passRetained(self)
    let error = clinux_start_thread(
      "tide-resolver", 512 << 10,
      { argument in
        guard let argument else { return nil }
        Unmanaged<Resolver>.fromOpaque(argument).takeRetainedValue().work()
        return nil
      }, me.toOpaque(), &thread)
    if error == 0 {
      clinux_detach_thread(thread)
    } else {
      me.release()
      failAll(SocketFailure.text(of: error))
    }
  }

  /// Answers until nobody waits; the next request starts a new thread.
  private func work() {
    while let request = next() {
      let result = Self.lookUp(host: request.host, port: request.port)
      request.worker.post { _ in request.completion.call(result) }
    }
  }

  private func next() -> Request? {
    state.withLock { state in
      if state.waiting.isEmpty {
        state.hasThread = false
        return nil
      }
      return state.waiting.removeFirst()
    }
  }

  private func failAll(_ reason: String) {
    let failed = state.withLock { state in
      let taken = state.waiting
      state = State()
      return taken
    }
    for request in failed {
      request.worker.post { _ in
        request.completion.call(.failure(ResolveFailure(host: request.host, reason: reason)))
      }
    }
  }

  /// The same, blocking; for start-up and the control thread.
  public static func lookUp(host: String, port: UInt16) -> Result<[SocketAddress], ResolveFailure> {
    if let literal = SocketAddress(host: host, port: port) { return .success([literal]) }
    var found: [SocketAddress] = []
    let code = withUnsafeMutablePointer(to: &found) { found in
      clinux_resolve(
        host,
        { context, address in
          guard let context, let address, let one = SocketAddress(address) else { return }
          context.assumingMemoryBound(to: [SocketAddress].self).pointee.append(one)
        }, found)
    }
    guard code == 0 else {
      return .failure(
        ResolveFailure(host: host, reason: gai_strerror(code).map { String(cString: $0) } ?? "code \(code)"))
    }
    guard !found.isEmpty else { return .failure(ResolveFailure(host: host, reason: "no address")) }
    for index in found.indices { found[index].port = port }
    return .success(found)
  }
}

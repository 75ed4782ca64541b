import Testing
import TideCore
import TideHTTP
import TideIO

@testable import TideGateway

@Suite struct BalancerTests {
  private final class Waiter: PoolWaiter {
    func poolOffers(_ connection: any UpstreamConnection, of pool: EndpointPool) {}
    func poolFailed(_ failure: PoolFailure, of pool: EndpointPool) {}
  }

  private let io = Worker(index: 0)

  private func pool(_ port: Int, weight: Int = 1) -> EndpointPool {
    let endpoint = Endpoint(
      cluster: "c", host: "name.invalid", port: port, authority: "name.invalid:\(port)", isSecure: false,
      choice: .http2,
      pathPrefix: "", weight: weight, serverName: "", trust: "", maxConnections: 4, connectTimeoutMs: 100)
    return EndpointPool(
      endpoint: endpoint, worker: io, tls: nil, workerCount: 1, resolver: EndpointResolver(resolver: Resolver()))
  }

  private func eject(_ pool: EndpointPool) {
    for _ in 0..<EndpointHealth.failureLimit { pool.recordFailure() }
  }

  @Test func theTriedAreLeftOut() {
    let pools = [pool(1), pool(2)]
    #expect(Balancer.pick(pools, tried: [pools[0]]) === pools[1])
    #expect(Balancer.pick(pools, tried: pools) == nil)
    #expect(Balancer.pick([], tried: []) == nil)
  }

  @Test func weightDecidesWhenBothAreIdle() {
    let pools = [pool(1), pool(2, weight: 3)]
    #expect(Balancer.pick(pools, tried: []) === pools[1])
  }

  @Test func theSickAreLeftOutButNeverMoreThanHalf() {
    let pools = [pool(1), pool(2), pool(3), pool(4)]
    eject(pools[0])
    #expect(Balancer.pick(pools, tried: []) === pools[1])
    eject(pools[1])
    #expect(Balancer.pick(pools, tried: []) === pools[2])
    eject(pools[2])
    #expect(Balancer.pick(pools, tried: []) === pools[0])
    let single = [pool(5)]
    eject(single[0])
    #expect(Balancer.pick(single, tried: []) === single[0])
  }
}

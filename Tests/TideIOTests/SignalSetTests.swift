import Glibc
import Testing

@testable import TideIO

@Suite struct SignalSetTests {
  @Test func readsWhatWouldHaveInterrupted() {
    // To this very thread: the others of the test process do not block it.
    let signals = SignalSet([SIGUSR2, SIGURG])
    #expect(signals.next(timeoutMs: 0) == nil)
    pthread_kill(pthread_self(), SIGUSR2)
    #expect(signals.next() == SIGUSR2)
    #expect(signals.next(timeoutMs: 0) == nil)
  }
}

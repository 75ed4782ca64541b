import TideCore
import TideIO

/// Reads the end of an upstream stream whose exchange is over, so that its connection stays usable; gives up at a deadline.
///
/// Lives as long as its timer is armed: stream and tail hold each other, and either event lets both go.
final class UpstreamTail: StreamConsumer, TimerTarget {
  private let stream: HTTPStream
  private let timers: TimerWheel
  private let deadline: MonotonicTime
  private var timer: TimerToken?

  init(_ stream: HTTPStream, timers: TimerWheel, deadline: MonotonicTime) {
    self.stream = stream
    self.timers = timers
    self.deadline = deadline
  }

  /// Becomes the stream's consumer.
  func take() {
    stream.consumer = self
    timer = timers.schedule(at: deadline, target: self, kind: 0)
    stream.returnCredit(stream.unreturnedCredit)
  }

  override func streamBody(_ stream: HTTPStream, _ bytes: UnsafeRawBufferPointer) { stream.returnCredit(bytes.count) }
  override func streamReset(_ stream: HTTPStream, _ reason: StreamReset) { letGo() }
  override func streamClosed(_ stream: HTTPStream) { letGo() }

  func timerFired(kind: UInt8, now: MonotonicTime) {
    timer = nil
    stream.reset(.cancelled)
  }

  private func letGo() {
    if let timer { timers.cancel(timer) }
    timer = nil
  }
}

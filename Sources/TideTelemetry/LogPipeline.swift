import Glibc

/// Takes lines from any thread and writes them in batches on a thread of its own, so that a slow terminal or disk never stops a worker.
///
/// The queue is bounded in bytes. When it is full a line is dropped and counted, and the next line that fits is preceded by a line that
/// says how many were lost. Submitting takes one uncontended lock and, when the thread sleeps, one wake-up.
public final class LogPipeline: @unchecked Sendable {
  // Unchecked because of the C mutex and condition; every `var` below is touched only under `mutex`.

  private struct Batch {
    let output: LogOutput
    var bytes: [UInt8] = []
    var lineCount: UInt64 = 0
  }

  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let changed: UnsafeMutablePointer<pthread_cond_t>
  private let byteLimit: Int
  private var queued: [Batch] = []
  private var queuedBytes = 0
  private var dropped: UInt64 = 0
  private var submitted: UInt64 = 0
  private var done: UInt64 = 0
  private var isClosing = false
  private var thread: pthread_t?

  /// - Parameter byteLimit: how much may wait to be written.
  public init(byteLimit: Int = 4 << 20) {
    self.byteLimit = byteLimit
    mutex = .allocate(capacity: 1)
    mutex.initialize(to: pthread_mutex_t())
    pthread_mutex_init(mutex, nil)
    changed = .allocate(capacity: 1)
    changed.initialize(to: pthread_cond_t())
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(changed, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    pthread_cond_destroy(changed)
    pthread_mutex_destroy(mutex)
    changed.deallocate()
    mutex.deallocate()
  }

  /// Starts the thread. Lines submitted before wait for it. The thread keeps the pipeline alive until `close`.
  public func start() {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    guard thread == nil, !isClosing else { return }
    var new = pthread_t()
    let context = Unmanaged.passRetained(self)
    let code = pthread_create(
      &new, nil,
      { context in
        Unmanaged<LogPipeline>.fromOpaque(context!).takeRetainedValue().run()
        return nil
      }, context.toOpaque())
    if code == 0 { thread = new } else { context.release() }
  }

  /// Queues one line, its newline included.
  ///
  /// - Returns: false when the queue is full or closed and the line was dropped.
  @discardableResult
  public func submit(_ line: [UInt8], to output: LogOutput) -> Bool {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    guard !isClosing, queuedBytes + line.count <= byteLimit else {
      dropped &+= 1
      return false
    }
    let wasEmpty = queued.isEmpty
    if let index = queued.firstIndex(where: { $0.output === output }) {
      queued[index].bytes.append(contentsOf: line)
      queued[index].lineCount += 1
    } else {
      queued.append(Batch(output: output, bytes: line, lineCount: 1))
    }
    queuedBytes += line.count
    submitted &+= 1
    if wasEmpty { pthread_cond_broadcast(changed) }
    return true
  }

  /// How many lines were lost, because the queue was full or their destination took nothing.
  public var droppedCount: UInt64 {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return dropped
  }

  /// Waits until what was submitted so far is written.
  ///
  /// - Returns: false when it took longer than `timeoutMs`, or the thread does not run.
  @discardableResult
  public func flush(timeoutMs: Int = 2_000) -> Bool {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    guard thread != nil else { return queued.isEmpty }
    let wanted = submitted
    var deadline = timespec()
    clock_gettime(CLOCK_MONOTONIC, &deadline)
    deadline.tv_sec += timeoutMs / 1000
    deadline.tv_nsec += timeoutMs % 1000 * 1_000_000
    if deadline.tv_nsec >= 1_000_000_000 {
      deadline.tv_sec += 1
      deadline.tv_nsec -= 1_000_000_000
    }
    while done < wanted {
      if pthread_cond_timedwait(changed, mutex, &deadline) == ETIMEDOUT { return done >= wanted }
    }
    return true
  }

  /// Writes what is queued, at most for `timeoutMs`, and ends the thread. Later lines are dropped.
  public func close(timeoutMs: Int = 2_000) {
    let isWritten = flush(timeoutMs: timeoutMs)
    pthread_mutex_lock(mutex)
    isClosing = true
    let ending = thread
    thread = nil
    pthread_cond_broadcast(changed)
    pthread_mutex_unlock(mutex)
    guard let ending else { return }
    // A thread that hangs in a write cannot be waited for.
    if isWritten { pthread_join(ending, nil) } else { pthread_detach(ending) }
  }

  private func run() {
    var toldDropped: UInt64 = 0
    while true {
      pthread_mutex_lock(mutex)
      while queued.isEmpty && !isClosing { pthread_cond_wait(changed, mutex) }
      let batches = queued
      queued = []
      queuedBytes = 0
      let lost = dropped
      let isEnd = isClosing
      pthread_mutex_unlock(mutex)

      var written: UInt64 = 0
      var failed: UInt64 = 0
      for (index, batch) in batches.enumerated() {
        var bytes = batch.bytes
        if index == 0, lost > toldDropped {
          bytes = LossNotice.line(count: lost - toldDropped, style: batch.output.naturalStyle) + bytes
          toldDropped = lost
        }
        written += batch.lineCount
        if !batch.output.write(bytes) { failed += batch.lineCount }
      }

      pthread_mutex_lock(mutex)
      done &+= written
      dropped &+= failed
      // A destination that fails could not take the notice either.
      toldDropped &+= failed
      pthread_cond_broadcast(changed)
      pthread_mutex_unlock(mutex)
      if isEnd { return }
    }
  }
}

/// The line that tells of lost lines.
private enum LossNotice {
  static func line(count: UInt64, style: LogStyle) -> [UInt8] {
    var fields = LogFields(style: style)
    fields.add("time", UTCTimestamp.now())
    fields.add("level", "warning")
    fields.add("message", "log lines dropped because their destination was too slow")
    fields.add("dropped", count)
    return fields.finish()
  }
}

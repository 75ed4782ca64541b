import Glibc
import TideCore
import TideIO

/// A value that the test's thread and a worker share, with a way to wait for a change instead of a time.
final class Watched<Value>: @unchecked Sendable {
  private var value: Value
  private var mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private var condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  init(_ value: Value) {
    self.value = value
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    pthread_cond_destroy(condition)
    mutex.deallocate()
    condition.deallocate()
  }

  var current: Value {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return value
  }

  func change(_ body: (inout Value) -> Void) {
    pthread_mutex_lock(mutex)
    body(&value)
    pthread_cond_broadcast(condition)
    pthread_mutex_unlock(mutex)
  }

  /// Blocks until `isWanted`; false when it did not come in 20 s, which only a failing test sees.
  @discardableResult
  func wait(until isWanted: (Value) -> Bool) -> Bool {
    var deadline = timespec()
    clock_gettime(CLOCK_REALTIME, &deadline)
    deadline.tv_sec += 20
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while !isWanted(value) {
      if pthread_cond_timedwait(condition, mutex, &deadline) != 0 { return isWanted(value) }
    }
    return true
  }
}

extension Worker {
  /// Runs `body` on the worker's thread and waits for its result.
  func perform<Result>(_ body: @escaping (Worker) -> Result) -> Result {
    let result = Watched<Result?>(nil)
    let job = Job(body)
    post { worker in
      let value = job.body(worker)
      result.change { $0 = value }
    }
    result.wait { $0 != nil }
    return result.current!
  }
}

private struct Job<Result>: @unchecked Sendable {
  let body: (Worker) -> Result
  init(_ body: @escaping (Worker) -> Result) { self.body = body }
}

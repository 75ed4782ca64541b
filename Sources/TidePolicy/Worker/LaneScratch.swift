import TideCore
import TideLua

/// Buffers of one worker that lane stages use within one call, so that a token allocates nothing.
final class LaneScratch {
  /// What one stage hands to the next.
  ///
  /// At an address of its own, since Swift checks each long access to a property of a class at run time.
  final class Buffer {
    let queue: UnsafeMutablePointer<ByteQueue>

    init() {
      queue = .allocate(capacity: 1)
      queue.initialize(to: ByteQueue())
    }

    deinit {
      queue.deinitialize(count: 1)
      queue.deallocate()
    }
  }

  /// By stage.
  let buffers: [Buffer]
  /// What one stage's filters let through to its hooks.
  let filtered = Buffer()
  /// What `on_token` made of a text that `on_segment` is to see.
  let token = Buffer()
  /// Where the units of one batch stand.
  let ranges: UnsafeMutablePointer<ContiguousArray<LuaMachine.TextRange>>

  init(stageCount: Int) {
    buffers = (0..<max(1, stageCount)).map { _ in Buffer() }
    ranges = .allocate(capacity: 1)
    ranges.initialize(to: [])
  }

  deinit {
    ranges.deinitialize(count: 1)
    ranges.deallocate()
  }
}

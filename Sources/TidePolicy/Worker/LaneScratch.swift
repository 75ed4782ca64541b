import TideCore
import TideLua

/// Buffers of one worker that lane stages use within one call, so that a token allocates nothing.
final class LaneScratch {
  /// What one stage hands to the next.
  final class Buffer {
    var queue = ByteQueue()
  }

  /// By stage.
  let buffers: [Buffer]
  /// What `on_token` made of a text that `on_segment` is to see.
  let token = Buffer()
  /// Where the units of one batch stand.
  var ranges = ContiguousArray<LuaMachine.TextRange>()

  init(stageCount: Int) { buffers = (0..<max(1, stageCount)).map { _ in Buffer() } }
}

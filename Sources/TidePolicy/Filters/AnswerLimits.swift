import TideCore
import TideDialects

/// The `limit` filters of one binding over all lanes of one answer.
final class AnswerLimits {
  private struct Entry {
    var channels: ChannelSet
    var limit: OutputLimit
  }

  private var entries: [Entry]

  /// - Parameter disabled: filters out of action.
  /// - Returns: nil when there is nothing to count.
  init?(_ program: FilterProgram, disabled: UInt64) {
    entries = program.limits.filter { disabled & (1 << UInt64($0.place)) == 0 }
      .map { Entry(channels: $0.channels, limit: OutputLimit(tokensMax: $0.tokensMax)) }
    if entries.isEmpty { return nil }
  }

  /// Counts the next text of any lane.
  ///
  /// - Returns: how many bytes of it may pass, and whether the answer ends after them.
  func admit(_ channel: Channel, _ text: UnsafeRawBufferPointer) -> (byteCount: Int, isReached: Bool) {
    var count = text.count
    var isReached = false
    for index in entries.indices where entries[index].channels.contains(channel) {
      let admitted = entries[index].limit.admit(UnsafeRawBufferPointer(rebasing: text[..<count]))
      count = admitted.byteCount
      isReached = isReached || admitted.isReached
    }
    return (count, isReached)
  }
}

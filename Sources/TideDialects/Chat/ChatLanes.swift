/// The lanes of a Chat Completions answer: one for each choice and member that text stands in.
typealias ChatLanes = LaneSet<ChatEvent.TextKey>

extension LaneSet where Key == ChatEvent.TextKey {
  /// The lane of a text; nil when there are too many.
  mutating func lane(choice: Int32, key: ChatEvent.TextKey) -> Int? {
    for index in lanes.indices where lanes[index].id.choice == choice && lanes[index].key == key { return index }
    return open(choice: choice, channel: key.channel, key: key)
  }
}

import TideCore

#if canImport(Glibc)
  import Glibc
#endif

/// What a client has been told of a Responses answer: its items and the texts in them, as they went out.
///
/// The dialect repeats each text up to three times. What is remembered here is what the repetitions must say, and what the end of an
/// answer that is cut is written from.
struct ResponsesOutput {
  struct Item {
    /// The content of its `id`, escapes and all; empty when it has none.
    var id: [UInt8]
    var outputIndex: Int32
    /// The object as the client got it last; empty when it was never announced.
    var json: [UInt8]
    var isDone = false
  }

  struct Part {
    /// The item's place here.
    var item: Int
    var key: ResponsesTextKey
    /// Its place in the item's `content` or `summary`.
    var index: Int32
    /// The text that went out, or is about to; for a text that no processor sees, as it stands in the JSON.
    var text: [UInt8] = []
    /// Bytes of it that the client has.
    var sentByteCount = 0
    /// Its lane; -1 when no processor sees it.
    var lane = -1
    var comparison = TextComparison()
    /// The event that opens it was seen.
    var isAnnounced = false
    /// The event that repeats its text was seen; no more can come.
    var isTextDone = false
    /// The event that closes it was seen.
    var isDone = false
  }

  private(set) var items = ContiguousArray<Item>()
  var parts = ContiguousArray<Part>()
  /// Bytes held here.
  private(set) var byteCount = 0

  /// More items or parts than any answer has; an upstream that opens more is not one.
  static let countLimit = 1024
  /// The most that is remembered of one answer: a few of the largest events.
  static let byteLimit = 4 * SSEFramer.eventByteLimit

  init() {}

  var isOverLimit: Bool { byteCount > Self.byteLimit || items.count > Self.countLimit || parts.count > Self.countLimit }

  /// The item with this identifier; without one, or when none has it, the last with this index.
  func item(id: UnsafeRawBufferPointer?, outputIndex: Int32) -> Int? {
    if let id, !id.isEmpty {
      // A backend may give all its items one identifier: the index then decides among them.
      var found: Int?
      for place in items.indices.reversed() where Self.equal(items[place].id, id) {
        if items[place].outputIndex == outputIndex { return place }
        if found == nil { found = place }
      }
      if let found { return found }
    }
    return items.lastIndex { $0.outputIndex == outputIndex }
  }

  /// Adds an item. Its identifier may be anything; it is compared, never understood.
  mutating func add(id: UnsafeRawBufferPointer?, outputIndex: Int32) -> Int {
    items.append(Item(id: id.map { [UInt8]($0) } ?? [], outputIndex: outputIndex, json: []))
    return items.count &- 1
  }

  /// Remembers an item as it went out.
  mutating func set(_ json: [UInt8], isDone: Bool, of item: Int) {
    byteCount &+= json.count &- items[item].json.count
    items[item].json = json
    if isDone { items[item].isDone = true }
  }

  func part(of item: Int, _ key: ResponsesTextKey, index: Int32) -> Int? {
    parts.lastIndex { $0.item == item && $0.index == index && $0.key == key }
  }

  /// The part that an item's own list has at `index`, the `ordinal`th of its kind there: some backends number parts otherwise in events.
  func part(of item: Int, _ key: ResponsesTextKey, index: Int32, ordinal: Int) -> Int? {
    if let exact = part(of: item, key, index: index) { return exact }
    var rest = ordinal
    for place in parts.indices where parts[place].item == item && parts[place].key == key {
      if rest == 0 { return place }
      rest &-= 1
    }
    return nil
  }

  mutating func add(_ key: ResponsesTextKey, index: Int32, to item: Int) -> Int {
    parts.append(Part(item: item, key: key, index: index))
    return parts.count &- 1
  }

  mutating func append(_ text: UnsafeRawBufferPointer, to part: Int) {
    parts[part].text += text
    byteCount &+= text.count
  }

  private static func equal(_ left: [UInt8], _ right: UnsafeRawBufferPointer) -> Bool {
    guard left.count == right.count else { return false }
    return left.withUnsafeBytes { left.isEmpty || memcmp($0.baseAddress!, right.baseAddress!, right.count) == 0 }
  }
}

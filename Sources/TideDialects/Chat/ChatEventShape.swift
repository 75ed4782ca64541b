import CPrefetch
import TideCore

#if canImport(Glibc)
  import Glibc
#endif

/// What a stream's last event was but for its text: the next one is nearly always the same, and is then known by two comparisons and one
/// look through its text instead of being decoded.
///
/// Exact: with the same bytes before and behind one JSON string, everything but that string and the offsets behind it is the same. One
/// value behind the text may differ, too, where its member says nothing here: OpenAI's events carry an `obfuscation` of another length each
/// time, those of other engines a count or an instant. Kept are events of one choice with one text and nothing that ends, costs or fails;
/// they are the tokens. One buffer a stream that has filters.
struct ChatEventShape: ~Copyable {
  /// Longer ones are decoded: no engine says so much around a token.
  private static let byteLimit = 1024

  /// What stands before the text, its opening quote included; then from its closing quote on to the note's value, and what follows that.
  private var bytes = ByteQueue()
  /// 0 while nothing is known.
  private var headCount = 0
  private var middleCount = 0
  private var tailCount = 0
  /// The kind of the value behind the text that may differ.
  private var note: JSONKind?
  private var textEnd = 0
  private var choice = ChatEvent.Choice()
  private var key = ChatEvent.TextKey.content
  private var model: JSONString?
  private var obfuscationStart = -1

  /// Notes `event`, decoded from `data`, if it is one to compare the next with.
  mutating func learn(_ event: borrowing ChatEvent, _ data: UnsafeRawBufferPointer) {
    headCount = 0
    guard event.choices.count == 1, event.texts.count == 1, event.usageStart < 0, event.errorStart < 0,
      event.obfuscationStart < 0 || event.obfuscationEnd == event.noteEnd && event.noteStart >= 0,
      !event.choices[0].isFinish, !event.choices[0].hasToolCalls
    else { return }
    let text = event.texts[0]
    let hasNote = event.noteStart > text.string.end
    // One that stands before the text is compared with all else. What stands behind the note would move with it.
    guard hasNote || event.obfuscationStart < 0, !hasNote || (event.model?.end ?? 0) < event.noteStart else { return }
    let noteStart = hasNote ? event.noteStart : data.count
    let noteEnd = hasNote ? event.noteEnd : data.count
    guard text.string.start &+ (data.count &- text.string.end) <= Self.byteLimit else { return }
    bytes.removeAll()
    bytes.append(UnsafeRawBufferPointer(rebasing: data[..<text.string.start]))
    bytes.append(UnsafeRawBufferPointer(rebasing: data[text.string.end..<noteStart]))
    bytes.append(UnsafeRawBufferPointer(rebasing: data[noteEnd...]))
    headCount = text.string.start
    middleCount = noteStart &- text.string.end
    tailCount = data.count &- noteEnd
    note = hasNote ? data[noteStart] == UInt8(ascii: "\"") ? .string : .number : nil
    textEnd = text.string.end
    choice = event.choices[0]
    key = text.key
    model = event.model
    obfuscationStart = event.obfuscationStart
  }

  /// Where an event of the known shape differs from the one it was learnt from.
  struct Match {
    /// The text's content.
    var string: JSONString
    /// The end of the value that may differ; that of the text's member where there is none.
    var noteEnd: Int
  }

  /// Fills `event` as decoding `data` would.
  ///
  /// - Returns: false when `data` is of another shape.
  func read(_ data: UnsafeRawBufferPointer, into event: inout ChatEvent) -> Bool {
    guard let match = match(data) else { return false }
    fill(&event, match)
    return true
  }

  /// The lane that the text of this shape belongs to; nil where its events say more than text.
  var plainText: (choice: Int32, key: ChatEvent.TextKey)? { choice.hasRole ? nil : (choice.index, key) }

  /// Fetches what the next event is compared with.
  func prefetch() {
    if headCount > 0 { cprefetch(bytes.readableBytes.baseAddress, bytes.byteCount) }
  }

  /// - Returns: nil when `data` is of another shape.
  func match(_ data: UnsafeRawBufferPointer) -> Match? {
    guard headCount > 0, data.count >= headCount, let base = data.baseAddress,
      let known = bytes.readableBytes.baseAddress, memcmp(base, known, headCount) == 0
    else { return nil }
    var scanner = JSONScanner(data, from: headCount &- 1)
    guard let string = scanner.string(), data.count &- string.end >= middleCount &+ tailCount,
      memcmp(base + string.end, known + headCount, middleCount) == 0
    else { return nil }
    let noteStart = string.end &+ middleCount
    var noteEnd = noteStart
    if let note {
      scanner = JSONScanner(data, from: noteStart)
      guard scanner.peek() == note, let value = scanner.skipValue(), value.lowerBound == noteStart else { return nil }
      noteEnd = value.upperBound
    }
    guard data.count &- noteEnd == tailCount, memcmp(base + noteEnd, known + headCount + middleCount, tailCount) == 0
    else { return nil }
    return Match(string: string, noteEnd: noteEnd)
  }

  /// Fills `event` as decoding what matches would.
  func fill(_ event: inout ChatEvent, _ match: Match) {
    let string = match.string
    let moved = string.end &- textEnd
    func place(_ offset: Int) -> Int { offset > textEnd ? offset &+ moved : offset }
    var choice = choice
    choice.end = place(choice.end)
    choice.finishStart = place(choice.finishStart)
    choice.finishEnd = place(choice.finishEnd)
    choice.logprobsStart = place(choice.logprobsStart)
    choice.logprobsEnd = place(choice.logprobsEnd)
    choice.nullContentStart = place(choice.nullContentStart)
    let model = model.map {
      JSONString(start: place($0.start), end: place($0.end), hasEscapes: $0.hasEscapes)
    }
    event.fill(choice, ChatEvent.Text(key: key, string: string), model: model)
    if obfuscationStart >= 0 {
      event.obfuscationStart = place(obfuscationStart)
      event.obfuscationEnd = match.noteEnd
    }
  }
}

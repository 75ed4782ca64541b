import TideCore

/// Keeps the tool calls of one streamed answer back until a policy has judged them, ahead of the dialect's own transformer.
///
/// Upstream bytes go in; what the transformer may see comes out. The deltas of a call are collected while everything else flows. Once the
/// call is whole it is judged; what follows it waits, so that the finish event leaves after the last decision. A call then leaves
/// as it came, changed, or as text in its place. Calls are judged one after another, in the order of their indexes.
public class ToolGate {
  /// What the transformer may see now; taken out by the owner.
  public var output = ByteQueue()
  /// The upstream's answer cannot be read, or is too large to be judged: it must end.
  public private(set) var failure: StreamFailure?
  let scratch: DialectScratch
  private var framer = SSEFramer()
  /// Calls that wait for a decision; the first one's turn it is.
  private var undecided: [ToolCall] = []
  private var decided: [(call: ToolCall, decision: ToolDecision)] = []
  /// Events that came behind a call which is being judged.
  private var queue: [[UInt8]] = []
  private var lastWasForwarded = false
  /// Bytes kept back.
  private var keptByteCount = 0

  /// The most that is kept back of one answer: a few of the largest events.
  private static let byteLimit = 4 * SSEFramer.eventByteLimit
  /// More calls than any answer makes.
  static let callLimit = 256

  /// The gate for a dialect's streams.
  public static func make(_ dialect: Dialect, scratch: DialectScratch?) -> ToolGate {
    let scratch = scratch ?? DialectScratch()
    return switch dialect {
    case .openAI: ChatToolGate(scratch)
    case .anthropic: MessagesToolGate(scratch)
    case .responses: ResponsesToolGate(scratch)
    }
  }

  init(_ scratch: DialectScratch) { self.scratch = scratch }

  /// The call that is to be judged; `decide` takes the answer.
  public var call: ToolCall? { failure == nil ? undecided.first : nil }

  /// Takes bytes of the upstream's answer, cut anywhere.
  public final func receive(_ bytes: UnsafeRawBufferPointer) {
    var rest = bytes
    while failure == nil {
      switch framer.next(&rest) {
      case .event(let event): arrive(event)
      case .needsMore: return
      case .tooLarge: fail(.tooLarge)
      }
    }
  }

  /// The upstream's answer has ended. What is still being judged leaves later.
  public final func receiveEnd() {
    guard failure == nil, let event = framer.lastEvent() else { return }
    arrive(event)
  }

  /// Decides on `call`.
  public final func decide(_ decision: ToolDecision) {
    guard failure == nil, !undecided.isEmpty else { return }
    decided.append((undecided.removeFirst(), decision))
    guard undecided.isEmpty else { return }
    let all = decided
    decided = []
    release(all)
    goOn()
  }

  /// The answer ends at `call`: those that were decided on before it leave, it and all that came behind it do not.
  public final func endEarly() {
    let all = decided
    decided = []
    undecided = []
    queue = []
    if failure == nil, !all.isEmpty { release(all) }
  }

  // MARK: Events

  private func arrive(_ event: SSEEvent) {
    if event.isTerminatorTail {
      if lastWasForwarded { output.append(event.raw) }
      return
    }
    lastWasForwarded = false
    if event.isComment || event.data.isEmpty {
      forward(event)
    } else if undecided.isEmpty {
      take(event)
    } else {
      enqueue(event)
    }
  }

  /// Handles what came while a call was judged.
  private func goOn() {
    while failure == nil, undecided.isEmpty, !queue.isEmpty {
      let raw = queue.removeFirst()
      keptByteCount &-= raw.count
      raw.withUnsafeBytes { bytes in
        var framer = SSEFramer()
        var rest = bytes
        if case .event(let event) = framer.next(&rest) {
          take(event)
        } else if let event = framer.lastEvent() {
          take(event)
        }
      }
    }
    lastWasForwarded = false
  }

  private func enqueue(_ event: SSEEvent, at place: Int? = nil) {
    queue.insert([UInt8](event.raw), at: place ?? queue.count)
    note(event.raw.count)
  }

  // MARK: The dialect's part

  /// Takes an event that has data: forwards it, collects it, or asks for a judgement.
  func take(_ event: SSEEvent) {}

  /// Sends what the calls of the last `judge` have become, in order.
  func release(_ calls: [(call: ToolCall, decision: ToolDecision)]) {}

  // MARK: For the dialects

  final func forward(_ event: SSEEvent) {
    output.append(event.raw)
    lastWasForwarded = true
  }

  /// Sends the event in hand with the edits noted for it.
  final func forwardEdited(_ event: SSEEvent) {
    scratch.write(event, into: &output)
    lastWasForwarded = !scratch.hasEdits
  }

  /// Asks for decisions; what follows waits for them.
  ///
  /// - Parameter event: what comes right behind the calls, and waits as well.
  final func judge(_ calls: [ToolCall], before event: SSEEvent? = nil) {
    undecided = calls
    // It came before all that waits already.
    if let event { enqueue(event, at: 0) }
  }

  /// Books bytes that are kept back, or given free.
  final func note(_ byteCount: Int) {
    keptByteCount &+= byteCount
    if keptByteCount > Self.byteLimit { fail(.tooLarge) }
  }

  final func fail(_ reason: StreamFailure) {
    if failure == nil { failure = reason }
  }

  final func bytes(_ data: UnsafeRawBufferPointer, _ range: Range<Int>) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: data[range])
  }

  /// Writes one event whose data is `json`.
  final func write(_ json: [UInt8], name: String? = nil) {
    if let name { output.append("event: \(name)\n" as String) }
    output.append("data: ")
    output.append(json)
    output.append("\n\n")
  }
}

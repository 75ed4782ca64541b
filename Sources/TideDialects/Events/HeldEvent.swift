import TideCore

/// What a stream keeps while a policy waits: the event that is to be handled again, and the bytes that came behind it.
struct HeldEvent {
  enum Kind: Equatable {
    case event
    /// The last one, which lacked its blank line.
    case lastEvent
    /// No event: the end of the upstream's answer.
    case end
    /// No event: the answer is cut from outside, with its last words in this choice.
    case cut(LaneCut, choice: Int32)
  }

  var kind: Kind
  /// The event's exact bytes.
  var raw: [UInt8]
  var rest: [UInt8] = []
  /// The upstream's answer has ended behind `rest`.
  var hasEnded = false

  /// Of the event. The last words of a cut go past the lanes: nothing counts them.
  var byteCount: Int { raw.count }

  init(_ kind: Kind, _ raw: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)) {
    self.kind = kind
    self.raw = [UInt8](raw)
    hasEnded = kind != .event
  }

  /// Hands the event out again.
  func withEvent(_ body: (SSEEvent) -> Void) {
    raw.withUnsafeBytes { bytes in
      var framer = SSEFramer()
      var rest = bytes
      if case .event(let event) = framer.next(&rest) {
        body(event)
      } else if let event = framer.lastEvent() {
        body(event)
      }
    }
  }
}

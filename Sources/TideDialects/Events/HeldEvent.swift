import TideCore

/// What a stream keeps while a policy waits: the event that is to be handled again, and the bytes that came behind it.
struct HeldEvent {
  enum Kind: UInt8 {
    case event
    /// The last one, which lacked its blank line.
    case lastEvent
    /// No event: the end of the upstream's answer.
    case end
  }

  var kind: Kind
  /// The event's exact bytes.
  var raw: [UInt8]
  var rest: [UInt8] = []
  /// The upstream's answer has ended behind `rest`.
  var hasEnded = false

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

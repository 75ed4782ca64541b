import TideCore

#if canImport(Glibc)
  import Glibc
#endif

/// The text in the arguments of one tool call on its way through the policies.
///
/// Arguments are JSON, and their text is their string values, nested ones included, one after another. Each is the whole text of a lane
/// that begins and ends with it, so that nothing is found across two of them. Only the values that changed are written anew: keys (which are
/// no text), numbers, spaces and the escapes of the other values stay byte for byte, and what was JSON stays JSON. Where a tool takes any text,
/// all of it is one value.
public enum ToolArguments {
  public enum Outcome: Equatable, Sendable {
    case unchanged
    case changed(String)
    /// The answer ends here: `LaneProcessor.cut` says how.
    case cut
    /// The processor is broken, or waits.
    case failed
    /// The arguments are not the JSON that they must be: no policy has seen anything of them.
    case malformed
  }

  /// - Parameter processor: sees all calls of a choice as lanes of `.toolArgs`, whose block is the call's place among them.
  public static func run(_ call: ToolCall, _ processor: LaneProcessor, _ scratch: DialectScratch) -> Outcome {
    let lane = LaneID(choice: call.choice, block: Int32(clamping: call.index), channel: .toolArgs)
    var arguments = call.arguments
    return arguments.withUTF8 { utf8 in
      edit(UnsafeRawBufferPointer(utf8), takesJSON: call.takesJSON, scratch) { text in
        let step = processor.laneDelta(lane, text, into: &scratch.emitted)
        return step == .proceed ? processor.laneEnd(lane, into: &scratch.emitted) : step
      }
    }
  }

  /// Runs `change` over the values of arguments, none of them empty.
  ///
  /// - Parameters:
  ///   - arguments: valid UTF-8, or they are malformed.
  ///   - change: appends what a value becomes to `scratch.emitted`.
  static func edit(
    _ arguments: UnsafeRawBufferPointer, takesJSON: Bool, _ scratch: DialectScratch,
    _ change: (UnsafeRawBufferPointer) -> LaneStep
  ) -> Outcome {
    // Tools without parameters are called with nothing by some engines.
    if arguments.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0A || $0 == 0x0D }) { return .unchanged }
    guard takesJSON else {
      switch run(arguments, scratch, change) {
      case .proceed: return isSame(arguments, scratch) ? .unchanged : .changed(string(scratch.emitted.readableBytes))
      case .cut: return .cut
      case .fail: return .failed
      }
    }
    guard JSONText.isValue(arguments) else { return .malformed }
    scratch.beginEdits()
    var values = JSONStringValues(arguments)
    while let value = values.next() {
      guard value.end > value.start else { continue }
      var text = UnsafeRawBufferPointer(rebasing: arguments[value.start..<value.end])
      if value.hasEscapes {
        // Halves of characters are U+FFFD to whoever looks; unless the value changes, the client gets what came.
        scratch.decoded.removeAll()
        var decoder = LaneText()
        decoder.append(text, into: &scratch.decoded)
        decoder.end(into: &scratch.decoded)
        text = scratch.decoded.readableBytes
      }
      switch run(text, scratch, change) {
      case .proceed: if !isSame(text, scratch) { scratch.replace(value, with: scratch.emitted.readableBytes) }
      case .cut: return .cut
      case .fail: return .failed
      }
    }
    guard scratch.hasEdits else { return .unchanged }
    return scratch.edited(arguments).withUnsafeBytes { .changed(string($0)) }
  }

  /// What one value becomes stands in `scratch.emitted` then, valid UTF-8.
  private static func run(
    _ text: UnsafeRawBufferPointer, _ scratch: DialectScratch, _ change: (UnsafeRawBufferPointer) -> LaneStep
  ) -> LaneStep {
    scratch.emitted.removeAll()
    let step = change(text)
    scratch.repairEmitted()
    return step
  }

  private static func isSame(_ text: UnsafeRawBufferPointer, _ scratch: DialectScratch) -> Bool {
    let emitted = scratch.emitted.readableBytes
    return emitted.count == text.count && memcmp(emitted.baseAddress!, text.baseAddress!, text.count) == 0
  }

  private static func string(_ utf8: UnsafeRawBufferPointer) -> String { String(decoding: utf8, as: UTF8.self) }
}

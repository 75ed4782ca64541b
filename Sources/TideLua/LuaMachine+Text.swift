import CLuaShim

/// The hot calls: hooks that see text, `(s, text, lane)`.
extension LuaMachine {
  /// Where one segment stands in the bytes of a batch.
  public typealias TextRange = tide_range

  /// Calls a text hook for one piece of text.
  ///
  /// - Parameters:
  ///   - state: the table that the lane's hooks share.
  ///   - lane: a held userdata that describes the lane.
  public func callText(
    _ function: LuaFunction, state: LuaRef, text: UnsafeRawBufferPointer, lane: LuaRef, budgetNs: UInt64
  ) -> LuaTextOutcome {
    var outcome = tide_text()
    var status: Int32 = 0
    tide_call_one_text(
      raw, function.reference.index, state.index, lane.index, text.baseAddress?.assumingMemoryBound(to: UInt8.self),
      text.count, budgetNs, &outcome, &status)
    return textOutcome(outcome, status)
  }

  /// Calls a filter's `on_match`: `(s, { kind, text }, lane)`.
  ///
  /// - Returns: `.pass` only for nil; a string, the same one included, is a replacement.
  public func callMatch(
    _ function: LuaFunction, state: LuaRef, kind: StaticString, text: UnsafeRawBufferPointer, lane: LuaRef,
    budgetNs: UInt64
  ) -> LuaTextOutcome {
    var outcome = tide_text()
    var status: Int32 = 0
    kind.utf8Start.withMemoryRebound(to: CChar.self, capacity: kind.utf8CodeUnitCount &+ 1) { kind in
      tide_call_match(
        raw, function.reference.index, state.index, lane.index, kind,
        text.baseAddress?.assumingMemoryBound(to: UInt8.self), text.count, budgetNs, &outcome, &status)
    }
    return textOutcome(outcome, status)
  }

  /// Calls a text hook for many pieces of text under one budget and one protected call.
  ///
  /// Segments run in order. An outcome that is neither pass nor replaced stops the run there; when `each` answers true the rest
  /// runs in another protected call, with the same budget anew.
  ///
  /// - Parameter each: gets every outcome in order; false ends the batch. It must not call this machine.
  public func callTextBatch(
    _ function: LuaFunction, state: LuaRef, lane: LuaRef, base: UnsafeRawPointer,
    segments: UnsafeBufferPointer<TextRange>, budgetNs: UInt64, each: (Int, LuaTextOutcome) -> Bool
  ) {
    var first = 0
    while first < segments.count {
      let count = min(segments.count - first, Self.batchCapacity)
      let goesOn = withUnsafeTemporaryAllocation(of: tide_text.self, capacity: count) { outcomes -> Bool in
        var status: Int32 = 0
        let written = tide_call_text(
          raw, function.reference.index, state.index, lane.index, base.assumingMemoryBound(to: UInt8.self),
          segments.baseAddress! + first, count, budgetNs, outcomes.baseAddress, &status)
        for index in 0..<written where !each(first + index, textOutcome(outcomes[index], status)) { return false }
        first += written
        return written > 0
      }
      if !goesOn { return }
    }
  }

  /// Outcomes of one protected call stand on the stack.
  private static let batchCapacity = 256

  @inline(__always)
  private func textOutcome(_ text: tide_text, _ status: Int32) -> LuaTextOutcome {
    switch TideTextOutcome(UInt32(text.outcome)) {
    case TIDE_TEXT_PASS: .pass
    case TIDE_TEXT_REPLACED:
      .replaced(UnsafeRawBufferPointer(start: tide_text_bytes(raw).map { $0 + text.offset }, count: text.length))
    case TIDE_TEXT_VERDICT: .verdict(LuaOpaque(kind: text.kind, id: text.id))
    case TIDE_TEXT_BAD_TYPE: .badType(String(cString: tide_type_name(text.kind)))
    default: .failed(failure(status))
    }
  }
}

import TideCore
import TideDialects
import TideLua

/// The text of one exchange's answer on its way through the policies, last binding to first.
///
/// In each binding the filters see the text first, then `on_token`; what it lets pass is cut into units for `on_segment`.
/// A delta costs one protected call for each hook and allocates nothing.
public final class PolicyLaneProcessor: LaneProcessor {
  let run: PolicyRun
  let worker: PolicyWorker
  private let machines: [BindingMachine]
  private let wantedChannels: ChannelSet
  /// Whether any text may be held for a time: the others hold for the end of a unit or of the lane.
  public let hasFilters: Bool
  private let keepsText: Bool
  private(set) var lanes: ContiguousArray<Lane> = []
  private var lastLane = 0
  /// There was a lane, which may be forgotten by now.
  private var hasBegun = false
  /// By machine, what its `limit` filters have counted; made with the first lane.
  private var limits: [AnswerLimits?] = []
  /// What budgets of tokens let pass; made with the first lane, too.
  private var allowance: AnswerAllowance?
  private var decidedCut = LaneCut()
  /// What matches in the text in hand have decided: how the answer is cut, or that it fails. Here, since variables that a closure
  /// changes would cost an allocation each for every text.
  var matchCut = LaneCut()
  var matchFailure: LaneStep?
  /// The words of a cut are yet to be kept.
  private var wordsAreDue = false
  /// What the client already has decides what a failure that says `deny` can still do: before the first byte it is an
  /// error response, afterwards a cut. The gateway sets it; at first it is true for streams, whose head leaves early.
  public var isFirstByteSent: Bool
  /// A policy ended the answer, or failed and thereby ended it.
  public private(set) var hasCut = false
  /// The event in hand waits until budgets that gateways share have answered.
  private var awaitsTokens = false
  /// Known once all reservations are made.
  private var drawsTokens = false
  /// Where a hook of this exchange may wait: the calls of the event in hand.
  private(set) var waiting: LaneWaiting?

  struct Lane {
    var id: LaneID
    var stages: [LaneStage]
    var hasEnded = false
  }

  init(run: PolicyRun, stages: [Int]) {
    self.run = run
    worker = run.worker
    machines = stages.map { run.worker.machines[$0] }
    wantedChannels = machines.reduce(into: ChannelSet()) { $0.formUnion($1.binding.laneChannels) }
    hasFilters = machines.contains { $0.binding.filters != nil }
    isFirstByteSent = run.context.isStreaming
    keepsText = run.keepsText
    super.init()
    if machines.contains(where: \.binding.manifest.segmentWaits) || run.has(.onResponseEnd) {
      waiting = LaneWaiting(self)
    }
  }

  deinit {
    end()
    run.processorEnded()
  }

  /// The arguments of tool calls are not text: the answer's stream leaves them alone, and `ToolArguments` brings them once they are whole.
  override public var channels: ChannelSet { wantedChannels.subtracting(.toolArgs).union(run.ownChannels) }
  /// Whether any policy sees the arguments of tool calls.
  public var seesToolArguments: Bool { wantedChannels.contains(.toolArgs) }
  override public var cut: LaneCut { decidedCut }

  // MARK: Events

  override public func laneDelta(_ lane: LaneID, _ text: UnsafeRawBufferPointer, into out: inout ByteQueue) -> LaneStep
  {
    if awaitsTokens { return .fail }
    guard keepsText else { return delta(lane, text, into: &out) }
    return keeping(lane, &out) { delta(lane, text, into: &$0) }
  }

  /// Notes what the client gets of a lane, where a policy wants to know.
  private func keeping(
    _ lane: LaneID, _ out: inout ByteQueue, _ body: (inout ByteQueue) -> LaneStep
  ) -> LaneStep {
    let before = out.byteCount
    let step = body(&out)
    if lane.channel == .text, lane.choice == 0 {
      run.context.keptText.append(UnsafeRawBufferPointer(rebasing: out.readableBytes[before...]))
    }
    if step == .cut {
      if lane.channel == .toolArgs { wordsAreDue = true } else { keepCut() }
    }
    return step
  }

  /// The answer has ended with a cut. Its words, where it came from a tool call, stand behind what the lanes of text still held.
  public func keepLastWords() {
    guard wordsAreDue else { return }
    wordsAreDue = false
    keepCut()
  }

  private func keepCut() {
    var text = decidedCut.text
    text.withUTF8 { run.context.keptText.append(UnsafeRawBufferPointer($0)) }
  }

  private func delta(_ lane: LaneID, _ text: UnsafeRawBufferPointer, into out: inout ByteQueue) -> LaneStep {
    if let waiting { return waiting.call(lane, text, isEnd: false, into: &out) }
    let index = indexOfLane(lane)
    if lanes[index].hasEnded { return .proceed }
    guard let allowance, countsText(of: lane) else {
      return flow(lanes[index].stages, 0, index, text, isEnd: false, into: &out)
    }
    let count = allowance.admit(text)
    let isOver = count < text.count
    let admitted = UnsafeRawBufferPointer(rebasing: text[..<count])
    let step = flow(lanes[index].stages, 0, index, admitted, isEnd: isOver, into: &out)
    guard isOver, step == .proceed else { return step }
    lanes[index].hasEnded = true
    return budgetIsEmpty()
  }

  /// How much of a text budgets let pass, where the lanes' calls may wait.
  func admit(_ lane: LaneID, _ text: UnsafeRawBufferPointer) -> Int {
    countsText(of: lane) ? allowance?.admit(text) ?? text.count : text.count
  }

  /// Whether budgets count a lane as it passes. The usage tells what tool calls cost, whether or not a policy sees their arguments.
  private func countsText(of lane: LaneID) -> Bool { lane.channel != .toolArgs }

  /// Ends the answer because a budget of tokens is empty.
  func budgetIsEmpty() -> LaneStep {
    end(with: LaneCut(finishReason: "length"))
    return .cut
  }

  override public func laneRelease(_ lane: LaneID, at time: MonotonicTime, into out: inout ByteQueue) -> LaneStep {
    // What may be held for a second by a judge is not let go early by a clock.
    guard waiting == nil else { return .proceed }
    guard keepsText else { return dueText(lane, at: time, into: &out) }
    let step = keeping(lane, &out) { dueText(lane, at: time, into: &$0) }
    // No event brings it again.
    run.context.keptText.eventEnded()
    return step
  }

  private func dueText(_ lane: LaneID, at time: MonotonicTime, into out: inout ByteQueue) -> LaneStep {
    let index = indexOfLane(lane)
    if lanes[index].hasEnded { return .proceed }
    let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
    return flow(lanes[index].stages, 0, index, nothing, isEnd: false, due: time, into: &out)
  }

  override public var releaseTime: MonotonicTime? {
    guard hasFilters, waiting == nil else { return nil }
    var first: MonotonicTime?
    for lane in lanes where !lane.hasEnded {
      for stage in lane.stages {
        guard let time = stage.releaseTime else { continue }
        first = first.map { min($0, time) } ?? time
      }
    }
    return first
  }

  override public func laneEnd(_ lane: LaneID, into out: inout ByteQueue) -> LaneStep {
    if awaitsTokens { return .fail }
    guard keepsText else { return drain(lane, into: &out) }
    return keeping(lane, &out) { drain(lane, into: &$0) }
  }

  private func drain(_ lane: LaneID, into out: inout ByteQueue) -> LaneStep {
    if let waiting { return waiting.call(lane, UnsafeRawBufferPointer(start: nil, count: 0), isEnd: true, into: &out) }
    let index = indexOfLane(lane)
    if lanes[index].hasEnded { return .proceed }
    lanes[index].hasEnded = true
    let step = flow(
      lanes[index].stages, 0, index, UnsafeRawBufferPointer(start: nil, count: 0), isEnd: true, into: &out)
    noteDrained(index)
    return step
  }

  /// Lets go of a lane that has given all it had. A lane of arguments is forgotten: the next value of the same call begins anew.
  func noteDrained(_ lane: Int) {
    for stage in lanes[lane].stages { stage.release() }
    if lanes[lane].id.channel == .toolArgs { lanes.remove(at: lane) }
  }

  override public func answerEnd(_ usage: TokenUsage) -> LaneStep {
    if awaitsTokens { return .fail }
    run.context.usage = usage
    let step = waiting?.answerEnd() ?? .proceed
    if keepsText, step == .cut { keepCut() }
    return step
  }

  /// Bytes of text that filters and units of `segment` keep back until more has come.
  public var heldByteCount: Int {
    lanes.reduce(0) { sum, lane in
      lane.hasEnded
        ? sum
        : lane.stages.reduce(sum) {
          $0 + ($1.filters?.pointee.scanner.heldByteCount ?? 0) + ($1.segmenter?.pointee.heldByteCount ?? 0)
        }
    }
  }

  /// Notes that a lane gets no more text.
  func noteEnded(_ lane: Int) { lanes[lane].hasEnded = true }

  // MARK: Waiting

  override public var mayWait: Bool { waiting != nil || drawsTokens }
  override public var isWaiting: Bool { awaitsTokens || waiting?.isWaiting ?? false }

  override public func eventBegins(byteCount: Int) {
    // For an event that a hook has kept waiting they were set aside the first time.
    let isNew = waiting.map { !$0.isResumed } ?? true
    awaitsTokens = drawsTokens && isNew && allowance?.prepare(byteCount: byteCount) == false
    if keepsText { run.context.keptText.eventBegins() }
    waiting?.eventBegins()
  }

  override public func eventEnded() {
    if keepsText { run.context.keptText.eventEnded() }
    waiting?.eventEnded()
    if drawsTokens { allowance?.eventEnded() }
  }

  /// Told when what `isWaiting` has an answer: the event can be handled again.
  public var onReady: (() -> Void)? {
    get { waiting?.onReady ?? allowance?.onReady }
    set {
      if awaitsTokens { allowance?.onReady = newValue } else { waiting?.onReady = newValue }
    }
  }

  /// Nobody wants the answer any more that a hook waits for.
  public func abandon() {
    waiting?.cancel()
    allowance?.onReady = nil
  }

  /// All reservations are made. Where gateways share the budgets of an answer that is to come, some tokens are set aside for it, so that
  /// they are here when it comes.
  public func requestIsDecided(expectsAnswer: Bool) {
    guard run.drawsAnswer else { return }
    drawsTokens = true
    if allowance == nil { allowance = run.answerAllowance() }
    if expectsAnswer { allowance?.drawAhead() }
  }

  /// The budgets are settled: what is still on its way to this answer goes back.
  func stopDrawing() {
    awaitsTokens = false
    allowance?.stopDrawing()
  }

  /// Gives back what the lanes hold in the machines.
  func end() {
    waiting?.cancel()
    stopDrawing()
    for lane in lanes { for stage in lane.stages { stage.release() } }
    lanes = []
  }

  func indexOfLane(_ id: LaneID) -> Int {
    if lastLane < lanes.count, lanes[lastLane].id == id { return lastLane }
    if let known = lanes.firstIndex(where: { $0.id == id }) {
      lastLane = known
      return known
    }
    // Filters are in or out of action by now.
    if !hasBegun {
      hasBegun = true
      limits = machines.map { run.answerLimits($0) }
      if allowance == nil { allowance = run.answerAllowance() }
    }
    lanes.append(Lane(id: id, stages: zip(machines, limits).map { LaneStage($0, id, run.filterState($0), limits: $1) }))
    lastLane = lanes.count - 1
    return lastLane
  }

  // MARK: From stage to stage

  private func flow(
    _ stages: [LaneStage], _ place: Int, _ lane: Int, _ text: UnsafeRawBufferPointer, isEnd: Bool,
    due: MonotonicTime? = nil, into out: inout ByteQueue
  ) -> LaneStep {
    guard place < stages.count else {
      // Only a budget counts the answer.
      out.append(text)
      return .proceed
    }
    let stage = stages[place]
    guard place + 1 < stages.count else {
      let step = process(stage, lane, text, isEnd: isEnd, due: due, into: &out)
      if step == .cut { takeLastWords(lane, into: &out) }
      if step != .proceed { lanes[lane].hasEnded = true }
      return step
    }
    let buffer = worker.scratch.buffers[place]
    buffer.queue.pointee.removeAll()
    let step = process(stage, lane, text, isEnd: isEnd, due: due, into: &buffer.queue.pointee)
    if step == .cut { takeLastWords(lane, into: &buffer.queue.pointee) }
    // After a cut the stages that follow release what they hold: it came before.
    let isLast = isEnd || step != .proceed
    guard isLast || due != nil || !buffer.queue.pointee.isEmpty else { return .proceed }
    let next = flow(stages, place + 1, lane, buffer.queue.pointee.readableBytes, isEnd: isLast, due: due, into: &out)
    if step != .proceed { lanes[lane].hasEnded = true }
    return step == .fail || next == .fail ? .fail : step == .proceed ? next : step
  }

  /// One stage's hooks: `on_lane` with the first text, `on_token`, `on_segment`, at the end `on_lane_end`.
  func runHooks(
    _ stage: LaneStage, _ lane: Int, _ text: UnsafeRawBufferPointer, isEnd: Bool, into out: inout ByteQueue
  ) -> LaneStep {
    guard stage.isSubscribed else {
      out.append(text)
      return .proceed
    }
    if stage.status == .broken { return .proceed }
    if stage.status == .fresh && text.isEmpty { return .proceed }
    if stage.status == .fresh || stage.epoch != stage.machine.epoch {
      if let step = prepare(stage, lanes[lane].id, text, into: &out) { return step }
    }
    let hooks = stage.machine.binding.hooks
    var step = LaneStep.proceed
    if !text.isEmpty, hooks.contains(.onToken) {
      if stage.segmenter == nil {
        step = token(stage, text, into: &out)
      } else {
        worker.scratch.token.queue.pointee.removeAll()
        step = token(stage, text, into: &worker.scratch.token.queue.pointee)
        let passed = worker.scratch.token.queue.pointee.readableBytes
        if !passed.isEmpty {
          let segmentStep = segments(stage, lane, passed, isEnd: isEnd || step != .proceed, into: &out)
          step = step == .proceed ? segmentStep : step
        }
      }
    } else if stage.segmenter != nil {
      step = segments(stage, lane, text, isEnd: isEnd, into: &out)
    } else {
      out.append(text)
    }
    // A unit that waits is judged before the lane's end.
    let isHeld = stage.machine.binding.manifest.segmentWaits && stage.segmenter != nil
    guard isEnd, step == .proceed, hooks.contains(.onLaneEnd), !isHeld else { return step }
    return laneEnded(stage, lanes[lane].id, into: &out)
  }

  /// Makes the stage ready for its hooks.
  ///
  /// - Returns: nil when it is, else what to do with the text.
  private func prepare(
    _ stage: LaneStage, _ lane: LaneID, _ text: UnsafeRawBufferPointer, into out: inout ByteQueue
  ) -> LaneStep? {
    let hooks = stage.machine.binding.hooks
    let hook: HookName = hooks.contains(.onLane) ? .onLane : hooks.contains(.onToken) ? .onToken : .onSegment
    guard stage.machine.mayRun(hook) else { return refused(stage, hook, text, into: &out) }
    do throws(LuaFailure) {
      try open(stage, lane)
      return nil
    } catch {
      stage.machine.failed(hook, error, exchangeID: run.context.id)
      return refused(stage, hook, text, into: &out)
    }
  }

  /// Runs `on_lane` and holds what the lane's hooks need. After an abort it runs again: the new machine has no trace of
  /// the old one's `s`, and an exchange that did nothing wrong must go on.
  func open(_ stage: LaneStage, _ lane: LaneID) throws(LuaFailure) {
    let machine = stage.machine
    // What an aborted machine held went with it.
    stage.state = nil
    stage.lane = nil
    do throws(LuaFailure) {
      guard let held = worker.laneReference(lane, machine) else {
        throw LuaFailure(kind: .memoryAbort, message: "not enough memory for a lane")
      }
      stage.lane = held.reference
      stage.ownsLane = held.isOwned
      stage.epoch = machine.epoch
      if machine.binding.hooks.contains(.onLane), let function = machine.function(.onLane) {
        let contextReference = try run.contextReference(machine)
        let start = MonotonicTime.now()
        machine.host.hookBegins(.onLane, run.context, variables: contextReference.variables)
        let outcome = machine.machine.callHolding(
          function,
          arguments: [.reference(contextReference.context), .reference(machine.config), .reference(held.reference)],
          budgetNs: machine.binding.manifest.budgets.cpu(.onLane))
        machine.host.hookEnded()
        machine.noteCall(.onLane, since: start)
        if let result = try outcome.get() {
          stage.state = result.reference
          guard result.typeName == "table" else {
            throw LuaFailure(
              kind: .error, message: "on_lane returned a \(result.typeName); it may return nil or a table",
              file: machine.binding.source.path)
          }
        }
        machine.succeeded(.onLane)
      }
      if stage.state == nil { stage.state = try machine.machine.referenceTable() }
      stage.status = .ready
    } catch {
      if stage.epoch == machine.epoch {
        if let state = stage.state { machine.machine.release(state) }
        if let lane = stage.lane, stage.ownsLane { machine.machine.release(lane) }
      }
      stage.state = nil
      stage.lane = nil
      stage.epoch = 0
      throw error
    }
  }

  // MARK: Failure

  /// The hook cannot run: its failure action, for a text that stays as it is.
  private func refused(
    _ stage: LaneStage, _ hook: HookName, _ text: UnsafeRawBufferPointer, into out: inout ByteQueue
  ) -> LaneStep {
    let step = failureStep(stage, hook)
    if step == .proceed {
      releaseHeld(stage, into: &out)
      out.append(text)
    }
    return step
  }

  /// Lets held text pass as it came, so that a skipped hook keeps the order.
  private func releaseHeld(_ stage: LaneStage, into out: inout ByteQueue) {
    stage.segmenter?.pointee.finish { piece, _ in out.append(piece) }
  }

  func failureStep(_ stage: LaneStage, _ hook: HookName) -> LaneStep {
    let action = stage.machine.binding.failureAction(hook)
    if action == .skip { return .proceed }
    stage.status = .broken
    hasCut = true
    run.note(.error, by: stage.machine)
    if action == .deny && !isFirstByteSent { return .fail }
    decidedCut = LaneCut(finishReason: "content_filter")
    return .cut
  }

  /// A policy ends the answer.
  func end(with cut: LaneCut) {
    decidedCut = cut
    hasCut = true
  }

  /// The text of a cut on its way: the stages that follow see it like any other. Where the lane is no text, the dialect adds it at the end.
  func takeLastWords(_ lane: Int, into out: inout ByteQueue) {
    guard lanes[lane].id.channel == .text, !decidedCut.text.isEmpty else { return }
    out.append(decidedCut.text)
    decidedCut.text = ""
  }

  func failed(_ stage: LaneStage, _ hook: HookName, _ failure: LuaFailure, isOutage: Bool = false) -> LaneStep {
    stage.machine.failed(hook, failure, exchangeID: run.context.id, isOutage: isOutage)
    return failureStep(stage, hook)
  }

  func failure(_ stage: LaneStage, _ hook: HookName, _ message: String) -> LuaFailure {
    LuaFailure(kind: .error, message: "\(hook.name) \(message)", file: stage.machine.binding.source.path)
  }

  /// The cut that a verdict asks for, or why the verdict is none for a lane.
  func accept(_ stage: LaneStage, _ hook: HookName, _ opaque: LuaOpaque) -> LuaFailure? {
    guard let verdict = stage.machine.host.verdict(opaque) else {
      return failure(stage, hook, "returned a verdict that was made in another call")
    }
    guard case .cut(let cut) = verdict, verdict.isLegal(in: hook) else {
      return failure(stage, hook, "cannot return \(verdict.name)")
    }
    end(with: cut)
    run.note(.cut, by: stage.machine)
    return nil
  }

  // MARK: Hooks

  private func token(_ stage: LaneStage, _ text: UnsafeRawBufferPointer, into out: inout ByteQueue) -> LaneStep {
    let machine = stage.machine
    guard machine.mayRun(.onToken), let function = machine.function(.onToken), let state = stage.state,
      let lane = stage.lane
    else { return refused(stage, .onToken, text, into: &out) }
    let budget = Self.budget(machine.tokenBudgetNs, text.count)
    machine.host.hookBegins(.onToken, run.context, variables: nil)
    let measure = machine.beginLaneCall()
    var problem: LuaFailure?
    var step = LaneStep.proceed
    switch machine.machine.callText(function, state: state, text: text, lane: lane, budgetNs: budget) {
    case .pass: out.append(text)
    case .replaced(let bytes): Self.append(bytes, into: &out)
    case .verdict(let opaque):
      problem = accept(stage, .onToken, opaque)
      step = .cut
    case .badType(let name):
      problem = failure(stage, .onToken, "returned a \(name); it may return nil, a string or tide.cut")
    case .failed(let failure): problem = failure
    }
    machine.endLaneCall(.onToken, measure, calls: 1, budgetNs: budget)
    machine.host.hookEnded()
    if let problem {
      step = failed(stage, .onToken, problem)
      if step == .proceed { out.append(text) }
    } else if !machine.breaker.isClosed {
      machine.succeeded(.onToken)
    }
    return step
  }

  private func segments(
    _ stage: LaneStage, _ lane: Int, _ text: UnsafeRawBufferPointer, isEnd: Bool, into out: inout ByteQueue
  ) -> LaneStep {
    guard stage.machine.mayRun(.onSegment), stage.state != nil else {
      return refused(stage, .onSegment, text, into: &out)
    }
    if let waiting, stage.machine.binding.manifest.segmentWaits {
      waiting.collect(stage, text, isEnd: isEnd)
      return .proceed
    }
    var step = LaneStep.proceed
    stage.segmenter?.pointee.feedBatch(text) { buffer, pieces in
      step = units(stage, buffer, pieces, into: &out)
    }
    guard isEnd, step == .proceed else { return step }
    if stage.epoch != stage.machine.epoch {
      // The batch aborted the machine, and a skipped failure let it pass: what is held needs a new `s`.
      if let refusal = prepare(stage, lanes[lane].id, UnsafeRawBufferPointer(start: nil, count: 0), into: &out) {
        return refusal
      }
    }
    stage.segmenter?.pointee.finishBatch { buffer, pieces in
      step = units(stage, buffer, pieces, into: &out)
    }
    return step
  }

  /// Runs `on_segment` over the units of one buffer and appends the buffer with what the hook changed.
  private func units(
    _ stage: LaneStage, _ buffer: UnsafeRawBufferPointer, _ pieces: UnsafeBufferPointer<Segment>,
    into out: inout ByteQueue
  ) -> LaneStep {
    guard let base = buffer.baseAddress, let last = pieces.last else { return .proceed }
    let end = Int(last.end)
    let machine = stage.machine
    let found = worker.scratch.ranges
    found.pointee.removeAll(keepingCapacity: true)
    for piece in pieces where piece.isUnit {
      found.pointee.append(LuaMachine.TextRange(offset: Int(piece.start), length: Int(piece.end &- piece.start)))
    }
    guard !found.pointee.isEmpty, let function = machine.function(.onSegment), let state = stage.state,
      let lane = stage.lane
    else {
      out.append(UnsafeRawBufferPointer(start: base, count: end))
      return .proceed
    }
    let budget = Self.budget(machine.segmentBudgetNs, end)
    machine.host.hookBegins(.onSegment, run.context, variables: nil)
    let measure = machine.beginLaneCall()
    var copied = 0
    var step = LaneStep.proceed
    var problem: LuaFailure?
    found.pointee.withUnsafeBufferPointer { ranges in
      machine.machine.callTextBatch(
        function, state: state, lane: lane, base: base, segments: ranges, budgetNs: budget
      ) { index, outcome in
        let unit = ranges[index]
        switch outcome {
        case .pass: return true
        case .replaced(let bytes):
          out.append(UnsafeRawBufferPointer(start: base + copied, count: unit.offset &- copied))
          Self.append(bytes, into: &out)
          copied = unit.offset &+ unit.length
          return true
        case .verdict(let opaque):
          problem = accept(stage, .onSegment, opaque)
          if problem == nil { step = .cut }
        case .badType(let name):
          problem = failure(stage, .onSegment, "returned a \(name); it may return nil, a string or tide.cut")
        case .failed(let failure): problem = failure
        }
        out.append(UnsafeRawBufferPointer(start: base + copied, count: unit.offset &- copied))
        copied = unit.offset
        return false
      }
    }
    machine.endLaneCall(.onSegment, measure, calls: found.pointee.count, budgetNs: budget)
    machine.host.hookEnded()
    if let problem {
      // With `skip` the rest of this batch passes as it is; the next one is tried again.
      step = failed(stage, .onSegment, problem)
    } else if !machine.breaker.isClosed {
      machine.succeeded(.onSegment)
    }
    if step == .proceed { out.append(UnsafeRawBufferPointer(start: base + copied, count: end &- copied)) }
    return step
  }

  func laneEnded(_ stage: LaneStage, _ id: LaneID, into out: inout ByteQueue) -> LaneStep {
    let empty = UnsafeRawBufferPointer(start: nil, count: 0)
    let machine = stage.machine
    if stage.epoch != machine.epoch, let refusal = prepare(stage, id, empty, into: &out) { return refusal }
    guard machine.mayRun(.onLaneEnd), let function = machine.function(.onLaneEnd), let state = stage.state,
      let lane = stage.lane
    else { return failureStep(stage, .onLaneEnd) }
    let start = MonotonicTime.now()
    machine.host.hookBegins(.onLaneEnd, run.context, variables: nil)
    let outcome = machine.machine.call(
      function, arguments: [.reference(state), .reference(lane)],
      budgetNs: machine.binding.manifest.budgets.cpu(.onLaneEnd))
    machine.host.hookEnded()
    machine.noteCall(.onLaneEnd, since: start)
    switch outcome {
    case .returned(.nilValue): break
    case .returned(.string(let bytes)): bytes.withUnsafeBytes { Self.append($0, into: &out) }
    case .returned(let value):
      return failed(
        stage, .onLaneEnd, failure(stage, .onLaneEnd, "returned a \(value.typeName); it may return nil or a string"))
    case .yielded(let token):
      machine.machine.cancel(token)
      return failed(stage, .onLaneEnd, failure(stage, .onLaneEnd, "cannot wait"))
    case .failed(let problem): return failed(stage, .onLaneEnd, problem)
    }
    machine.succeeded(.onLaneEnd)
    return .proceed
  }

  /// The budget is one of a KiB of text.
  @inline(__always)
  private static func budget(_ kibibyteNs: UInt64, _ byteCount: Int) -> UInt64 {
    kibibyteNs &* (UInt64(truncatingIfNeeded: byteCount) >> 10 &+ 1)
  }

  /// Appends what a script returned, as valid UTF-8: the next policy, and the client, must be able to rely on it.
  static func append(_ bytes: UnsafeRawBufferPointer, into out: inout ByteQueue) {
    var isPlain = true
    for byte in bytes where byte >= 0x80 {
      isPlain = false
      break
    }
    if isPlain || String(validating: bytes, as: UTF8.self) != nil {
      out.append(bytes)
    } else {
      out.append(String(decoding: bytes, as: UTF8.self))
    }
  }
}

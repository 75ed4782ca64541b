import TideCore
import TideDialects
import TideLua

/// The lane calls of one exchange whose hooks may wait.
///
/// A call that comes to a hook which waits answers `.fail`, and the stream takes its event back. Meanwhile the call is carried on
/// from here, unit by unit and stage by stage, to its end. When the stream handles the event again, calls that were answered before
/// answer the same, without running a hook twice, and the one that waited gives what it has become.
final class LaneWaiting {
  /// What a call came to.
  struct Answer {
    var step: LaneStep
    var bytes: [UInt8] = []
  }

  private unowned let processor: PolicyLaneProcessor
  private var answered: [Answer] = []
  private var nextAnswer = 0
  /// The call that waits, and its answer once it has one.
  private var work: LaneWork?
  private var ready: Answer?
  private var wait: HookWait?
  private var waitsForEnd = false
  /// What the stage in hand has cut its text into.
  private var collected: [LaneWork.Piece] = []
  var onReady: (() -> Void)?

  init(_ processor: PolicyLaneProcessor) { self.processor = processor }

  var isWaiting: Bool { work != nil || waitsForEnd }
  /// The event in hand is handled again.
  var isResumed: Bool { ready != nil || !answered.isEmpty }

  func eventBegins() { nextAnswer = 0 }

  func eventEnded() {
    answered.removeAll(keepingCapacity: true)
    nextAnswer = 0
  }

  /// Nobody wants the answer any more.
  func cancel() {
    onReady = nil
    wait?.cancel()
    wait = nil
    work = nil
    waitsForEnd = false
  }

  // MARK: Calls

  func call(
    _ lane: LaneID, _ text: UnsafeRawBufferPointer, isEnd: Bool, into out: inout ByteQueue
  ) -> LaneStep {
    answer(into: &out) {
      let index = processor.indexOfLane(lane)
      if processor.lanes[index].hasEnded { return Answer(step: .proceed) }
      if isEnd { processor.noteEnded(index) }
      let count = processor.admit(lane, text)
      let admitted = [UInt8](text[..<count])
      let work = LaneWork(index, stages: processor.lanes[index].stages, text: admitted, isEnd: isEnd)
      if count < text.count {
        work.isOver = true
        work.isLast = true
      }
      self.work = work
      return carryOn(work)
    }
  }

  /// The same for text that is only counted.
  func count(byteCount: Int) -> LaneStep {
    var nothing = ByteQueue()
    return answer(into: &nothing) { Answer(step: processor.countPassing(byteCount: byteCount)) }
  }

  /// The same for `on_response_end`.
  func answerEnd() -> LaneStep {
    var nothing = ByteQueue()
    return answer(into: &nothing) {
      let outcome = processor.run.runResponseEnd()
      guard outcome == .waiting else { return end(outcome) }
      waitsForEnd = true
      processor.run.onDecision = { [unowned self] decided in
        waitsForEnd = false
        if let answer = end(decided) { finish(answer) }
      }
      return nil
    }
  }

  /// An answer given before, the one that was waited for, or a new one; `.fail` while it waits.
  private func answer(into out: inout ByteQueue, _ make: () -> Answer?) -> LaneStep {
    if isWaiting { return .fail }
    if nextAnswer == answered.count {
      guard let new = ready ?? make() else { return .fail }
      ready = nil
      answered.append(new)
    }
    let answer = answered[nextAnswer]
    nextAnswer += 1
    out.append(answer.bytes)
    return answer.step
  }

  /// - Returns: nil while a policy that sees the last words waits.
  private func end(_ outcome: PolicyOutcome) -> Answer? {
    switch outcome {
    case .cut(let cut):
      processor.end(with: cut)
      let place = processor.place(of: processor.run.decidingBinding)
      if let words = lastWords(after: place, choice: 0) {
        words.whenDone = { Answer(step: $0) }
        return carryOn(words)
      }
    case .failed, .deny: processor.end(with: LaneCut(finishReason: "content_filter"))
    default: return Answer(step: .proceed)
    }
    return Answer(step: .cut)
  }

  private func finish(_ answer: Answer) {
    ready = answer
    let told = onReady
    onReady = nil
    told?()
  }

  // MARK: From stage to stage

  /// Runs a call until it ends or waits.
  private func carryOn(_ work: LaneWork) -> Answer? {
    while work.place < work.stages.count {
      let stage = work.stages[work.place]
      if !work.isInStage { enter(stage, work) }
      while work.stageStep == .proceed, work.nextPiece < work.pieces.count {
        let piece = work.pieces[work.nextPiece]
        work.nextPiece += 1
        if !piece.isUnit {
          work.output.append(piece.bytes)
        } else if !judge(stage, piece.bytes, work) {
          return nil
        }
      }
      guard leave(stage, work) else { break }
    }
    self.work = nil
    if let done = work.whenDone {
      processor.endLastWords(work.lane, work.isSilenced ? [] : work.text)
      return done(work.step == .fail ? .fail : .cut)
    }
    if work.step == .cut, let place = work.wordsPlace,
      let words = lastWords(after: place, choice: processor.lanes[work.lane].id.choice)
    {
      words.whenDone = { [unowned self] step in
        work.step = step
        return conclude(work)
      }
      return carryOn(words)
    }
    return conclude(work)
  }

  /// The words of a cut on a lane of their own, as the call in hand; nil where nobody is to see them.
  private func lastWords(after place: Int, choice: Int32) -> LaneWork? {
    guard let (words, lane) = processor.beginLastWords(after: place, choice: choice) else { return nil }
    let work = LaneWork(lane, stages: processor.lanes[lane].stages, text: words, isEnd: true)
    work.place = place + 1
    self.work = work
    return work
  }

  /// What a call has come to.
  private func conclude(_ work: LaneWork) -> Answer {
    if work.isOver, work.step == .proceed { work.step = processor.budgetIsEmpty() }
    if work.step != .proceed { processor.noteEnded(work.lane) }
    if work.isEnd { processor.noteDrained(work.lane) }
    return Answer(step: work.step, bytes: work.isSilenced ? [] : work.text)
  }

  private func enter(_ stage: LaneStage, _ work: LaneWork) {
    work.isInStage = true
    work.output.removeAll()
    collected.removeAll(keepingCapacity: true)
    work.stageStep = work.text.withUnsafeBytes {
      processor.process(stage, work.lane, $0, isEnd: work.isLast, due: nil, into: &work.output)
    }
    work.pieces = collected
    work.nextPiece = 0
    // A filter's or a token's cut came after these.
    if work.stageStep == .cut, !collected.isEmpty {
      work.cutBehind = true
      work.stageStep = .proceed
    }
  }

  /// - Returns: whether another stage gets something.
  private func leave(_ stage: LaneStage, _ work: LaneWork) -> Bool {
    let binding = stage.machine.binding
    if work.cutBehind, work.stageStep == .proceed {
      work.stageStep = .cut
    } else if work.stageStep == .proceed, work.isLast, binding.manifest.segmentWaits, stage.segmenter != nil,
      stage.status == .ready, binding.hooks.contains(.onLaneEnd)
    {
      work.stageStep = processor.laneEnded(stage, processor.lanes[work.lane].id, into: &work.output)
    }
    work.cutBehind = false
    if work.stageStep == .cut {
      if processor.lanes[work.lane].id.channel == .text {
        work.stageStep = processor.takeLastWords(work.lane, after: work.place, into: &work.output)
      } else {
        work.wordsPlace = work.place
      }
    }
    if work.stageStep == .fail || work.step == .proceed { work.step = work.stageStep }
    if work.stageStep != .proceed { work.isLast = true }
    work.text = [UInt8](work.output.readableBytes)
    work.isInStage = false
    work.place += 1
    return work.isLast || !work.text.isEmpty
  }

  /// Takes what the stage in hand cut its text into; called from inside `enter`.
  func collect(_ stage: LaneStage, _ text: UnsafeRawBufferPointer, isEnd: Bool) {
    func take(_ buffer: UnsafeRawBufferPointer, _ pieces: UnsafeBufferPointer<Segment>) {
      for piece in pieces {
        let bytes = [UInt8](buffer[Int(piece.start)..<Int(piece.end)])
        collected.append(LaneWork.Piece(bytes: bytes, isUnit: piece.isUnit))
      }
    }
    stage.segmenter?.pointee.feedBatch(text) { take($0, $1) }
    if isEnd { stage.segmenter?.pointee.finishBatch { take($0, $1) } }
  }

  // MARK: Units

  /// Runs `on_segment` for one unit.
  ///
  /// - Returns: false when it waits.
  private func judge(_ stage: LaneStage, _ unit: [UInt8], _ work: LaneWork) -> Bool {
    let machine = stage.machine
    guard machine.mayRun(.onSegment), let function = machine.function(.onSegment) else {
      refuse(processor.failureStep(stage, .onSegment), unit, work)
      return true
    }
    do throws(LuaFailure) {
      if stage.status == .fresh || stage.epoch != machine.epoch {
        try processor.open(stage, processor.lanes[work.lane].id)
      }
    } catch {
      refuse(processor.failed(stage, .onSegment, error), unit, work)
      return true
    }
    guard let state = stage.state, let lane = stage.lane else {
      machine.gaveUp()
      return true
    }
    machine.host.hookBegins(.onSegment, processor.run.context, variables: nil)
    let start = MonotonicTime.now()
    let outcome = unit.withUnsafeBytes {
      machine.machine.call(
        function, arguments: [.reference(state), .bytes($0), .reference(lane)],
        budgetNs: machine.binding.cpuBudget(.onSegment), mode: .coroutine)
    }
    guard case .yielded(let token) = outcome else {
      let problem = read(outcome, stage, unit, work)
      machine.host.hookEnded()
      machine.noteCall(.onSegment, since: start)
      conclude(problem, stage, unit, work)
      return true
    }
    let begun: HookWait
    do throws(LuaFailure) {
      begun = try processor.run.beginWait(machine, .onSegment, token)
    } catch {
      refuse(processor.failed(stage, .onSegment, error), unit, work)
      return true
    }
    if let outcome = begun.outcome {
      ended(begun, outcome, stage, unit, work)
      return true
    }
    wait = begun
    begun.onEnd = { [unowned self, unowned begun] outcome in
      wait = nil
      ended(begun, outcome, stage, unit, work)
      guard let answer = carryOn(work) else { return }
      finish(answer)
    }
    return false
  }

  private func ended(
    _ wait: HookWait, _ outcome: LuaOutcome, _ stage: LaneStage, _ unit: [UInt8], _ work: LaneWork
  ) {
    let problem = wait.judged { read(outcome, stage, unit, work) }
    wait.machine.noteCall(.onSegment, spentNs: wait.totalNs)
    conclude(problem, stage, unit, work, wait)
  }

  /// Takes what a unit has become; nil, or what is wrong with it.
  private func read(
    _ outcome: LuaOutcome, _ stage: LaneStage, _ unit: [UInt8], _ work: LaneWork
  ) -> LuaFailure? {
    switch outcome {
    case .returned(.nilValue): work.output.append(unit)
    case .returned(.string(let bytes)): bytes.withUnsafeBytes { PolicyLaneProcessor.append($0, into: &work.output) }
    case .returned(.opaque(let opaque)):
      if let problem = processor.accept(stage, .onSegment, opaque) { return problem }
      work.stageStep = .cut
    case .returned(let value):
      return processor.failure(
        stage, .onSegment, "returned a \(value.typeName); it may return nil, a string or tide.cut")
    case .yielded: return processor.failure(stage, .onSegment, "is still waiting")
    case .failed(let failure): return failure
    }
    return nil
  }

  private func conclude(
    _ problem: LuaFailure?, _ stage: LaneStage, _ unit: [UInt8], _ work: LaneWork, _ wait: HookWait? = nil
  ) {
    if let problem {
      refuse(processor.failed(stage, .onSegment, problem, wait), unit, work)
    } else if !stage.machine.breaker.isClosed {
      stage.machine.succeeded(.onSegment, isTrial: wait?.isTrial ?? true)
    }
  }

  /// A unit that could not be judged passes as it is, or ends the answer.
  private func refuse(_ step: LaneStep, _ unit: [UInt8], _ work: LaneWork) {
    if step == .proceed { work.output.append(unit) } else { work.stageStep = step }
  }
}

/// One lane call on its way through the stages.
final class LaneWork {
  struct Piece {
    var bytes: [UInt8]
    /// A unit for the hook; else what stands between units.
    var isUnit: Bool
  }

  let lane: Int
  let stages: [LaneStage]
  let isEnd: Bool
  var place = 0
  /// What the stage at `place` gets; after the last one, what the client gets.
  var text: [UInt8]
  /// A budget of tokens ends the answer after this.
  var isOver = false
  /// The stage gets no more after this.
  var isLast: Bool
  /// What the stages so far have decided.
  var step = LaneStep.proceed

  // The stage in hand
  var isInStage = false
  var output = ByteQueue()
  var pieces: [Piece] = []
  var nextPiece = 0
  var stageStep = LaneStep.proceed
  /// The text was cut behind the pieces.
  var cutBehind = false
  /// The stage whose cut has words that are yet to pass.
  var wordsPlace: Int?
  /// Set where the call is a cut's words: what follows them.
  var whenDone: ((LaneStep) -> LaneWaiting.Answer)?

  init(_ lane: Int, stages: [LaneStage], text: [UInt8], isEnd: Bool) {
    self.lane = lane
    self.stages = stages
    self.text = text
    self.isEnd = isEnd
    isLast = isEnd
  }

  /// Stages were left out because nothing came to them.
  var isSilenced: Bool { place < stages.count }
}

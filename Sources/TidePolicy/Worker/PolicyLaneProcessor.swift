import TideCore
import TideDialects
import TideLua

/// The text of one exchange's answer on its way through the policies, last binding to first.
///
/// In each binding the filters see the text first, then `on_token`; what it lets pass is cut into units for `on_segment`.
/// A delta costs one protected call for each hook and allocates nothing.
public final class PolicyLaneProcessor: LaneProcessor {
  let run: PolicyRun
  /// The run's, which holds it; a token need not ask the run for it.
  unowned(unsafe) let context: ExchangeContext
  let worker: PolicyWorker
  let machines: [BindingMachine]
  private let wantedChannels: ChannelSet
  /// Whether any text may be held for a time: the others hold for the end of a unit or of the lane.
  public let hasFilters: Bool
  private let keepsText: Bool
  /// The event in hand waits until budgets that gateways share have answered.
  var awaitsTokens = false
  var lanes: ContiguousArray<Lane> = []
  private var lastLane = 0
  /// Where a hook of this exchange may wait: the calls of the event in hand.
  private(set) var waiting: LaneWaiting?
  /// What budgets of tokens let pass; made with the first lane, too.
  var allowance: AnswerAllowance?
  var places = LanePlaces()
  /// There was a lane, which may be forgotten by now.
  private var hasBegun = false
  /// By machine, what its `limit` filters have counted; made with the first lane.
  private var limits: [AnswerLimits?] = []
  var decidedCut = LaneCut()
  /// What matches in the text in hand have decided: how the answer is cut, or that it fails. Here, since variables that a closure
  /// changes would cost an allocation each for every text.
  var matchCut = LaneCut()
  var matchFailure: LaneStep?
  /// The words of a cut are yet to be kept.
  var wordsAreDue = false
  /// What the client already has decides what a failure that says `deny` can still do: before the first byte it is an
  /// error response, afterwards a cut. The gateway sets it; at first it is true for streams, whose head leaves early.
  public var isFirstByteSent: Bool
  /// A policy ended the answer, or failed and thereby ended it.
  public internal(set) var hasCut = false
  /// Known once all reservations are made.
  var drawsTokens = false

  struct Lane {
    var id: LaneID
    let stages: [LaneStage]
    /// The one of `stages`, which holds it, where it is one: a token then counts no reference to it.
    let only: Unmanaged<LaneStage>?
    var hasEnded = false

    init(id: LaneID, stages: [LaneStage]) {
      self.id = id
      self.stages = stages
      only = stages.count == 1 ? .passUnretained(stages[0]) : nil
    }
  }

  init(run: PolicyRun, stages: [Int]) {
    self.run = run
    context = run.context
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
  override public var countedChannels: ChannelSet { run.countedChannels }
  override public var cut: LaneCut { decidedCut }

  // MARK: Events

  override public func laneDelta(_ lane: LaneID, _ text: UnsafeRawBufferPointer, into out: inout ByteQueue) -> LaneStep
  {
    if awaitsTokens { return .fail }
    guard keepsText else { return delta(lane, text, into: &out) }
    return keeping(lane, &out) { delta(lane, text, into: &$0) }
  }

  private func delta(_ lane: LaneID, _ text: UnsafeRawBufferPointer, into out: inout ByteQueue) -> LaneStep {
    if let waiting { return waiting.call(lane, text, isEnd: false, into: &out) }
    let index = indexOfLane(lane)
    if lanes[index].hasEnded { return .proceed }
    guard let allowance, countsText(of: lane) else {
      if let only = lanes[index].only {
        return only._withUnsafeGuaranteedRef { flowLast($0, 0, index, text, isEnd: false, due: nil, into: &out) }
      }
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

  override public func laneCount(_ channel: Channel, byteCount: Int) -> LaneStep {
    if awaitsTokens { return .fail }
    return waiting?.count(byteCount: byteCount) ?? countPassing(byteCount: byteCount)
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
    lastLane = openLane(id)
    return lastLane
  }

  func openLane(_ id: LaneID) -> Int {
    answerBegins()
    lanes.append(Lane(id: id, stages: zip(machines, limits).map { LaneStage($0, id, run.filterState($0), limits: $1) }))
    places = LanePlaces(of: lanes)
    return lanes.count - 1
  }

  /// The first text has come: filters are in or out of action by now, and all reservations are made.
  func answerBegins() {
    guard !hasBegun else { return }
    hasBegun = true
    limits = machines.map { run.answerLimits($0) }
    if allowance == nil { allowance = run.answerAllowance() }
  }
}

import TideCore
import TideDialects
import TideLua

/// The text side of an exchange: who sees it, who counts it, who keeps it.
extension PolicyRun {
  /// The text side of the active bindings, last to first; nil when none has lane hooks. The caller keeps it as long as
  /// the answer runs.
  public var lanes: PolicyLaneProcessor? {
    fixBindings()
    if let processor { return processor }
    let stages = active.reversed().filter { !worker.machines[$0].binding.hooks.isDisjoint(with: .lanes) }
    guard !stages.isEmpty || has(.onResponseEnd) || countsAnswer || keepsText, !hasEnded else { return nil }
    let made = PolicyLaneProcessor(run: self, stages: stages)
    made.requestIsDecided(expectsAnswer: false)
    processor = made
    return made
  }

  func processorEnded() { processor = nil }

  /// Whether budgets are debited as the answer's tokens pass.
  private var countsAnswer: Bool { context.kind == .chat && context.reservations.contains { $0.count != .input } }

  /// Whether a policy asks for the answer's text when it has ended.
  var keepsText: Bool {
    context.kind == .chat && active.contains { worker.machines[$0].binding.manifest.keepsText }
  }

  /// The channels whose text the gateway itself must see: what budgets count, and what is kept. Signed thinking would have to wait for its
  /// signature: it is counted as it passes.
  var ownChannels: ChannelSet {
    var channels: ChannelSet = keepsText ? [.text] : []
    if countsAnswer {
      channels.formUnion(context.chat?.dialect == .anthropic ? [.text] : [.text, .reasoning, .refusal])
    }
    return channels
  }

  /// The channels whose text budgets count as it passes, unless a policy has it on a lane.
  var countedChannels: ChannelSet { countsAnswer ? [.reasoning, .refusal, .toolArgs] : [] }

  /// Whether budgets that gateways share are debited as the answer's tokens pass, so that it may have to wait for them.
  var drawsAnswer: Bool { countsAnswer && context.reservations.contains { $0.shared != nil } }

  func answerAllowance() -> AnswerAllowance? {
    countsAnswer ? AnswerAllowance(context, worker.stores, worker.blueprint.services, shared: worker.limits) : nil
  }

  func filterState(_ machine: BindingMachine) -> FilterState {
    context.filterStates[machine.binding.index] ?? FilterState()
  }

  func answerLimits(_ machine: BindingMachine) -> AnswerLimits? {
    machine.binding.filters.flatMap { AnswerLimits($0, disabled: filterState(machine).disabled) }
  }
}

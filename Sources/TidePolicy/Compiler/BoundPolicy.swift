import TideCore
import TideDialects

/// One binding of a policy, checked: immutable, shared by all workers of a generation.
struct BoundPolicy: Sendable {
  /// Its place in the blueprint's list.
  var index: Int
  var name: String
  var manifest: PolicyManifest
  var source: PolicySource
  var config: PolicyValue
  var when: MatchCondition?
  var share: String?
  /// By hook: the operator's word, else the policy's, else the hook's default.
  var failure: [PolicyBinding.FailureAction]
  /// The source names `vars`, so each exchange gets a table for it.
  var usesVariables: Bool
  /// What `tide.http` may reach.
  var permission: FetchPermission

  /// The source calls `ctx.prompt:mask`, as far as one can see.
  var masksPrompts: Bool {
    LuaText.mentions(":mask", in: source.text)
      || source.modules.values.contains { LuaText.mentions(":mask", in: $0.text) }
  }

  /// What `filters` declares, compiled; nil before that and where there are none.
  var filters: FilterProgram?

  var hooks: HookSet { manifest.hooks }

  /// The lanes that its lane hooks see.
  var hookChannels: ChannelSet { hooks.isDisjoint(with: .texts) ? [] : manifest.channels }

  /// The lanes that its hooks or filters see.
  var laneChannels: ChannelSet { hookChannels.union(filters?.channels ?? []) }

  func failureAction(_ hook: HookName) -> PolicyBinding.FailureAction { failure[Int(hook.rawValue)] }

  /// CPU time of one call of a hook that waits, in nanoseconds: `on_segment` then gets what the other coroutines get.
  func cpuBudget(_ hook: HookName) -> UInt64 {
    let budget = manifest.budgets.cpu(hook)
    return hook == .onSegment ? max(budget, manifest.budgets.cpu(.onRequest)) : budget
  }

  /// Whether host functions that wait are legal in the hook.
  func mayWait(_ hook: HookName) -> Bool { manifest.mayWait(hook) }

  init(index: Int, binding: PolicyBinding, manifest: PolicyManifest, source: PolicySource, config: PolicyValue) {
    self.index = index
    name = binding.name
    self.manifest = manifest
    self.source = source
    self.config = config
    when = binding.when
    permission = FetchPermission(manifest: manifest, written: binding.config.policyValue)
    share = binding.share
    failure = HookName.allCases.map { hook in
      binding.failure[hook.name] ?? manifest.failure[hook] ?? PolicyManifest.defaultFailure(hook)
    }
    usesVariables =
      LuaText.mentions("vars", in: source.text)
      || source.modules.values.contains { LuaText.mentions("vars", in: $0.text) }
  }
}

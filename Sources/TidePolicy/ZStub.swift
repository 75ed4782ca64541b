import TideCore
import TideDialects
public struct PolicyHostServices: Sendable {
  public init(sha256: @escaping @Sendable (UnsafeRawBufferPointer) -> [UInt8],
    hmac: @escaping @Sendable (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> [UInt8],
    log: @escaping @Sendable (PolicyLogEntry) -> Void, now: @escaping @Sendable () -> MonotonicTime,
    wallClockMs: @escaping @Sendable () -> Double) {}
}
public struct PolicyLogEntry: Sendable {
  public enum Level: String, Sendable { case debug, info, warning, error }
  public var level: Level; public var binding: String; public var hook: String; public var exchangeID: String; public var message: String
  public struct Field: Sendable { public var name: String; public var value: String }
  public var fields: [Field]
}
public struct PolicyDescription: Sendable { public var name = "", binding = "", file = "", version = "", isAuto = false, hooks: [String] = [], routes: [String] = [] }
public struct PolicyBlueprint: Sendable { public var descriptions: [PolicyDescription] = []; public var files: [String] = [] }
public struct PolicyLoadFailure: Error { public var diagnostics: [Diagnostic]; public var files: [String] }
public struct PolicyRoute: Sendable { public init(name: String, bindings: [PolicyBinding], without: Set<String>, isAnonymous: Bool) {} }
public enum PolicyCompiler {
  public static func compile(folder: String?, bindings: [PolicyBinding], routes: [PolicyRoute], auto: Bool, services: PolicyHostServices) -> Result<PolicyBlueprint, PolicyLoadFailure> { .success(PolicyBlueprint()) }
}
public struct HookFigures: Sendable { public var binding = "", hook = "", metrics = HookMetrics() }
public final class PolicyWorker { public init(blueprint: PolicyBlueprint, store: SharedStore, workerIndex: Int) {}
  public func hookFigures() -> [HookFigures] { [] } }
public final class PolicyRun {
  public init(worker: PolicyWorker, context: ExchangeContext) {}
  public func begin(route: String) {}
  public var needsAuth: Bool { false }
  public func runAuth() -> PolicyOutcome { .proceed }
  public func fixBindings() {}
  public func runRequest() -> PolicyOutcome { .proceed }
  public func runRoute(_ targets: [RouteTarget]) -> RouteOutcome { .targets(targets) }
  public var lanes: LaneProcessor? { nil }
  public var seesText: Bool { false }
  public func runLog(outcome: String) {}
  public var verdict: String { "" }
  public func end() {}
}

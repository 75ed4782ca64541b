import TideCore

/// The policies of one generation: checked, immutable, shared by all workers.
///
/// A class for the reason that `Generation` is one: exchanges read single fields of it.
public final class PolicyBlueprint: Sendable {
  let bindings: [BoundPolicy]
  /// Binding indexes of each named route, in the order in which request hooks run.
  let routes: [String: [Int]]
  /// For routes that name no bindings of their own.
  let everywhere: [Int]
  let anonymousRoutes: Set<String>
  let services: PolicyHostServices
  /// How workers' machines enforce budgets: counted for sanitizer builds.
  public let isCounted: Bool

  /// For `GET /policies` and the start-up message.
  public let descriptions: [PolicyDescription]
  /// Every file whose change makes a new generation.
  public let watchedFiles: [String]
  /// Over sources, configurations' files and problems; equal hashes need no new generation.
  public let hash: UInt64
  public let warnings: [Diagnostic]

  init(
    bindings: [BoundPolicy], routes: [String: [Int]], everywhere: [Int], anonymousRoutes: Set<String>,
    services: PolicyHostServices, isCounted: Bool = false, descriptions: [PolicyDescription], watchedFiles: [String],
    hash: UInt64, warnings: [Diagnostic]
  ) {
    self.bindings = bindings
    self.routes = routes
    self.everywhere = everywhere
    self.anonymousRoutes = anonymousRoutes
    self.services = services
    self.isCounted = isCounted
    self.descriptions = descriptions
    self.watchedFiles = watchedFiles
    self.hash = hash
    self.warnings = warnings
  }

  /// Whether any binding may call a host by `https`.
  public var callsSecureHosts: Bool { bindings.contains(where: \.permission.mayBeSecure) }

  func bindings(ofRoute route: String) -> [Int] { routes[route] ?? everywhere }

  /// Whether any binding of the route has hooks that must see the text of requests or answers: what `unparsed` asks.
  public func seesText(route: String) -> Bool {
    bindings(ofRoute: route).contains { index in
      let hooks = bindings[index].hooks
      return hooks.contains(.onRequest) || !hooks.isDisjoint(with: .lanes)
    }
  }
}

/// One binding, as the admin listener shows it.
public struct PolicyDescription: Sendable {
  public var policy: String
  public var binding: String
  public var file: String
  public var version: String
  public var hooks: [String]
  public var isAutomatic: Bool
  /// `*`, or the names of the routes that it is bound on.
  public var routes: [String]
  /// Secrets are hidden, files are left out.
  public var config: PolicyValue
  public var failure: [String: String]
  /// The policy's file, its modules, and files that its configuration names.
  public var files: [String]
}

/// Why a set of policies was refused.
public struct PolicyLoadFailure: Error, Sendable {
  public var diagnostics: [Diagnostic]

  public init(_ diagnostics: [Diagnostic]) { self.diagnostics = diagnostics }
}

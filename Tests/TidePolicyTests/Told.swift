import Testing
import TideCore

@testable import TidePolicy

/// What `on_request` of a policy with this body put in a denial's message; what went wrong, if it did. The budget has room for
/// builds without optimization.
func told(
  _ body: String, load: String = "", config: PolicyValue = .map([]), schema: String = "{}",
  services: FixtureServices = FixtureServices()
) throws -> String {
  let fixture = try PolicyFixture(
    [
      (
        "p",
        """
        \(load)
        return { schema = \(schema), budgets = { on_request = { cpu = "1s" } }, on_request = function(ctx, cfg)
        \(body)
        end }
        """
      )
    ], bindings: [PolicyBinding(policy: "p", config: config.configNode)], services: services)
  switch fixture.run().runRequest() {
  case .deny(let denial) where denial != .policyFailed: return denial.message
  case .deny: return fixture.services.log.last?.message ?? "no log"
  case let other: return "\(other)"
  }
}

/// The values of a list of expressions, as text.
func values(
  _ expressions: String, load: String = "", config: PolicyValue = .map([]), schema: String = "{}",
  services: FixtureServices = FixtureServices()
) throws -> String {
  try told(
    """
    local list = table.pack(\(expressions))
    local out = {}
    for i = 1, list.n do out[i] = tostring(list[i]) end
    return tide.deny(400, { message = table.concat(out, " ") })
    """, load: load, config: config, schema: schema, services: services)
}

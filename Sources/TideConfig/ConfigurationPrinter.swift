import TideCore

/// Shows a configuration to an operator, as YAML or JSON, with its secrets hidden.
///
/// An allow-list: only fields named here appear. The configuration of a policy appears as it was written, its variables unexpanded, and
/// strings under keys that sound like a secret are hidden in it.
public enum ConfigurationPrinter {
  public static func yaml(_ configuration: GatewayConfiguration) -> String {
    ConfigNodePrinter.yaml(node(configuration))
  }

  public static func json(_ configuration: GatewayConfiguration) -> String {
    ConfigNodePrinter.json(node(configuration))
  }
}

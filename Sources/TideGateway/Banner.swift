import Glibc
import TideConfig
import TideCore
import TideIO
import TidePolicy

/// What a person sees when the gateway starts: what listens where, the policies in force, and a line to try.
enum Banner {
  /// The key whose hash stands in the configuration that ships.
  static let demoKey = "tg-demo-key"

  static func print(
    _ built: GenerationBuilder.Built, version: String, workerCount: Int, listenerAddresses: [String: SocketAddress],
    isTerminal: Bool
  ) {
    let configuration = built.generation.configuration
    var lines = [
      "tidegate \(version), \(workerCount) worker\(workerCount == 1 ? "" : "s"), configuration \(built.loaded.source)"
    ]
    for listener in configuration.listeners {
      let address = listenerAddresses[listener.name].map { "\($0)" } ?? listener.name
      let scheme = listener.tls == nil ? "http" : "https"
      lines.append(
        "  listening on \(scheme)://\(address) (\(listener.protocols.map(\.rawValue).joined(separator: ", ")))")
    }
    if let admin = listenerAddresses["admin"] {
      lines.append("  admin on http://\(admin) (/healthz /readyz /policies /config /metrics)")
    }
    let policies = built.generation.policies.descriptions
    lines.append(policies.isEmpty ? "  no policies" : "  policies, in the order they run:")
    for policy in policies {
      let name = policy.binding == policy.policy ? policy.policy : "\(policy.binding) (\(policy.policy))"
      let note = policy.isAutomatic ? ", dropped in" : ""
      lines.append("    \(name): \(policy.hooks.joined(separator: " "))\(note)")
    }
    let usesDemoKey = built.generation.policies.watchedFiles.contains { path in
      guard let bytes = FileReader.read(path) else { return false }
      return String(decoding: bytes, as: UTF8.self).contains(hex(Digest.sha256(Array(demoKey.utf8))))
    }
    if let listener = configuration.listeners.first(where: { $0.tls == nil }) ?? configuration.listeners.first {
      let address = listenerAddresses[listener.name].map { "\($0)" } ?? listener.name
      let scheme = listener.tls == nil ? "http" : "https"
      let takesAny = configuration.models.contains { $0.id.pattern == "*" }
      let model = built.generation.models.listed.first?.id ?? (takesAny ? "any" : "MODEL")
      let asksWho = policies.contains { $0.hooks.contains("on_auth") }
      let header = asksWho ? " -H 'Authorization: Bearer \(usesDemoKey ? demoKey : "YOUR_KEY")'" : ""
      lines.append("try:")
      lines.append("  curl -N \(scheme)://\(address)/v1/chat/completions\(header) \\")
      lines.append(
        "    -d '{\"model\":\"\(model)\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"What colour is the sea?\"}]}'"
      )
    }
    if usesDemoKey, configuration.listeners.contains(where: { !$0.address.isLoopback }) {
      lines.append(
        "WARNING: the demo key `\(demoKey)` is accepted on an address that others can reach; replace keys.yaml")
    }
    let text = lines.joined(separator: "\n") + "\n"
    text.utf8CString.withUnsafeBytes { _ = write(1, $0.baseAddress, $0.count - 1) }
  }

  private static func hex(_ bytes: [UInt8]) -> String {
    bytes.map { byte in
      let text = String(byte, radix: 16)
      return text.count == 1 ? "0" + text : text
    }.joined()
  }
}

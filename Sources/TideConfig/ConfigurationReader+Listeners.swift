import TideCore

extension ConfigurationReader {
  static let defaultListener = ListenerConfiguration(
    address: ListenAddress(host: "127.0.0.1", port: 8080), tls: nil, protocols: [.h2c, .http11])

  func readListeners(_ fields: ConfigurationFields) -> [ListenerConfiguration] {
    guard let items = fields.list("listeners") else { return [Self.defaultListener] }
    if items.isEmpty { report(fields["listeners"], "`listeners` is empty: nothing could reach the gateway") }
    var seen: Set<ListenAddress> = []
    return items.compactMap { item in
      guard
        let fields = ConfigurationFields(item, "a listener", allowed: ["address", "tls", "protocols"], reader: self)
      else { return nil }
      if !fields.contains("address") { report(item, "a listener needs an `address`", hint: "such as 127.0.0.1:8080") }
      guard let address = readAddress("address", fields) else { return nil }
      if address.port != 0, !seen.insert(address).inserted {
        report(fields["address"], "two listeners have the address \(address)")
      }
      let tls = readListenerTLS(fields)
      return ListenerConfiguration(
        address: address, tls: tls, protocols: readProtocols(fields, isTLS: fields.contains("tls")))
    }
  }

  func readAdmin(_ fields: ConfigurationFields) -> AdminConfiguration {
    let standard = AdminConfiguration(address: ListenAddress(host: "127.0.0.1", port: 8081))
    guard let node = fields["admin"],
      let admin = ConfigurationFields(node, "`admin`", allowed: ["address"], reader: self)
    else { return standard }
    guard let address = readAddress("address", admin) else { return standard }
    if !address.isLoopback {
      warn(
        admin["address"], "the admin listener is on \(address), which other machines may reach",
        hint: "it has no password")
    }
    return AdminConfiguration(address: address)
  }

  private func readAddress(_ key: String, _ fields: ConfigurationFields) -> ListenAddress? {
    guard let text = fields.string(key) else { return nil }
    if let address = ListenAddress(parsing: text) { return address }
    report(
      fields[key], "`\(key)` of \(fields.what) is not an address: `\(text)`",
      hint: "host:port, such as 127.0.0.1:8080, 0.0.0.0:443 or [::1]:8080")
    return nil
  }

  private func readListenerTLS(_ fields: ConfigurationFields) -> ListenerTLSConfiguration? {
    guard let node = fields["tls"],
      let tls = ConfigurationFields(
        node, "`tls` of a listener", allowed: ["certificates", "client_ca"], reader: self)
    else { return nil }
    let items = tls.list("certificates")
    if items?.isEmpty ?? !tls.contains("certificates") {
      report(node, "`tls` of a listener needs at least one of `certificates`")
    }
    let certificates = (items ?? []).compactMap { item -> CertificateConfiguration? in
      guard
        let fields = ConfigurationFields(
          item, "a certificate", allowed: ["certificate", "key", "names"], reader: self)
      else { return nil }
      for key in ["certificate", "key"] where !fields.contains(key) {
        report(item, "a certificate needs a `\(key)`", hint: "the path of a PEM file")
      }
      let names = fields.globs("names").map { $0.pattern.lowercased() }
      guard let certificate = fields.existingFile("certificate"), let key = fields.existingFile("key") else {
        return nil
      }
      return CertificateConfiguration(certificate: certificate, key: key, names: names)
    }
    return ListenerTLSConfiguration(certificates: certificates, clientCA: tls.existingFile("client_ca"))
  }

  private func readProtocols(_ fields: ConfigurationFields, isTLS: Bool) -> [ListenerProtocol] {
    let possible: [ListenerProtocol] = isTLS ? [.h2, .http11] : [.h2c, .http11]
    guard let items = fields.list("protocols") else { return possible }
    if items.isEmpty { report(fields["protocols"], "`protocols` of a listener is empty") }
    var result: [ListenerProtocol] = []
    for item in items {
      guard let value: ListenerProtocol = fields.choice("protocols", of: item) else { continue }
      guard possible.contains(value) else {
        report(
          item, "`\(value.rawValue)` cannot be spoken on a listener \(isTLS ? "with" : "without") TLS",
          hint: "allowed: " + possible.map(\.rawValue).joined(separator: ", "))
        continue
      }
      if result.contains(value) { report(item, "`\(value.rawValue)` is listed twice") } else { result.append(value) }
    }
    return result
  }
}

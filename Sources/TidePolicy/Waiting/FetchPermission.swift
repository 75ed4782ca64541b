/// Which hosts one binding may call: those that its operator wrote, and those that its file lists.
struct FetchPermission: Sendable, Equatable {
  /// `host:port` of every `url` field of the configuration.
  private(set) var named: Set<String> = []
  /// What `net` lists: `host` for the scheme's own port, or `host:port`.
  private(set) var listed: Set<String> = []
  /// Whether a call may need TLS.
  private(set) var mayBeSecure = false

  init() {}

  /// - Parameter written: the configuration as the operator wrote it: what a schema gives by default is the file's word, not theirs.
  init(manifest: PolicyManifest, written: PolicyValue) {
    listed = manifest.net
    mayBeSecure = !listed.isEmpty
    note(written, manifest.schema.members)
  }

  /// How far a call may reach; nil when the host is neither written by the operator nor listed.
  func reach(_ url: FetchURL) -> FetchReach? {
    if named.contains("\(url.host):\(url.port)") { return .operatorNamed }
    if listed.contains("\(url.host):\(url.port)") { return .publicOnly }
    if url.port == (url.isSecure ? 443 : 80), listed.contains(url.host) { return .publicOnly }
    return nil
  }

  private mutating func note(_ value: PolicyValue, _ members: [PolicySchema.Member]) {
    for member in members {
      if let written = value[member.name] { note(written, member.field) }
    }
  }

  private mutating func note(_ value: PolicyValue, _ field: SchemaField) {
    switch field.kind {
    case .url:
      guard case .success(let url)? = value.text.map(FetchURL.parse) else { return }
      named.insert("\(url.host):\(url.port)")
      mayBeSecure = mayBeSecure || url.isSecure
    case .array(let element?): for one in value.elements ?? [] { note(one, element) }
    case .map(let element?): for entry in value.entries ?? [] { note(entry.value, element) }
    case .object(let members): note(value, members)
    case .oneOf(let fields): for field in fields { note(value, field) }
    default: break
    }
  }
}

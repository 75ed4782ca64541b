import TideCore

/// What `ctx` and `cfg` have, and who may write it.
extension HookLint {
  enum Use { case read, write, call }

  mutating func field(_ group: ContextField?, _ name: String, _ line: Int, _ use: Use) -> LintMeaning {
    let path = group.map { $0.entry.path + "." + name } ?? name
    guard let field = ContextField.named(path) else {
      let siblings = ContextField.allCases.filter { $0.group == group }.map(\.name)
      let prefix = group.map { "ctx.\($0.entry.path)." } ?? "ctx."
      find(
        .field, line, "there is no ctx.\(path)",
        nearestName(to: name, among: siblings).map { "did you mean \(prefix)\($0)?" }
          ?? "there are " + siblings.joined(separator: ", "))
      return .unknown
    }
    let entry = field.entry
    if let hook, hook < entry.firstHook {
      find(
        .early, line, "ctx.\(path) is not known yet in \(hook.name)", "it is there from \(entry.firstHook.name) on")
      return .unknown
    }
    if use == .write || use == .call && !entry.writers.isEmpty { write(field, as: field, line) }
    let isFunction = entry.type == .function
    if isFunction, use == .read {
      find(
        .field, line, "ctx.\(path) is called with a colon",
        "write ctx\(group.map { ".\($0.entry.path)" } ?? ""):\(name)(...)")
    } else if !isFunction, use == .call {
      find(.field, line, "ctx.\(path) is no function", "write ctx.\(path)")
    }
    if field == .promptEachText { return .parts }
    if field == .log, use == .call { return .library("ctx:log") }
    if field.remedy != nil, use == .read { return .copy(field) }
    return ContextField.allCases.contains { $0.group == field } ? .context(field) : .unknown
  }

  /// - Parameter rule: the field whose writers are those who may.
  mutating func write(_ field: ContextField, as rule: ContextField, _ line: Int) {
    note(\.writes, "ctx.\(field.entry.path)")
    let writers = rule.entry.writers
    guard let hook, !writers.contains(hook) else { return }
    let places = writers.hooks.map(\.name).joined(separator: ", ")
    find(
      .write, line, "\(hook.name) may not write ctx.\(field.entry.path)",
      places.isEmpty
        ? field.remedy ?? "it is read-only everywhere; ctx.vars holds what is a policy's own"
        : "it may be written in \(places)")
  }

  mutating func writeCopy(_ field: ContextField, _ line: Int) {
    find(.write, line, "writes to a copy of ctx.\(field.entry.path), which raises", field.remedy ?? "")
  }

  mutating func configKey(_ keys: [String], _ line: Int, isWritten: Bool) -> LintMeaning {
    let path = keys.joined(separator: ".")
    if isWritten {
      if mayAddKeys {
        derivedKeys.insert(keys)
      } else if hook != nil {
        find(.configWrite, line, "writes cfg.\(path), which raises", "on_load may; ctx.vars and s hold what changes")
      }
      return .unknown
    }
    guard knowsConfig else { return .unknown }
    // Whatever hangs from a derived key is the policy's own.
    if (1...keys.count).contains(where: { derivedKeys.contains(Array(keys.prefix($0))) }) { return .unknown }
    var members = manifest.schema.members
    for (index, key) in keys.enumerated() {
      steps += members.count / 8
      guard let member = members.first(where: { $0.name == key }) else {
        let prefix = (["cfg"] + keys.prefix(index)).joined(separator: ".")
        let names = members.map(\.name)
        find(
          .config, line, "\(prefix) has no \(key)",
          nearestName(to: key, among: names.prefix(1_000)).map { "did you mean \(prefix).\($0)?" }
            ?? "add it to schema, or to cfg in on_load")
        return .unknown
      }
      guard case .object(let inner) = member.field.kind else {
        // What lies below is data: a list, a map, a text.
        return index == keys.count - 1 ? .config(keys) : .unknown
      }
      members = inner
    }
    return .config(keys)
  }
}

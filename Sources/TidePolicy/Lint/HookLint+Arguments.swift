import TideCore

/// Looks at what host functions are called with, as far as it stands there.
extension HookLint {
  mutating func judge(_ function: HostFunction, _ path: String, _ arguments: [SyntaxExpression], _ line: Int) {
    guard let signature = function.signature else { return }
    func hint() -> String { "it is " + signature.call(path) }
    for (parameter, argument) in zip(signature.parameters, arguments) {
      judge(argument, parameter, of: path, line, hint)
    }
    // The last may be any number of values.
    guard arguments.last.map(Self.isOneValue) ?? true else { return }
    for missing in signature.parameters.dropFirst(arguments.count) where !missing.isOptional {
      find(.arguments, line, "\(path) needs \(missing.name)", hint())
      return
    }
  }

  private static func isOneValue(_ expression: SyntaxExpression) -> Bool {
    switch expression {
    case .constant(.rest): return false
    case .chain(_, let suffixes):
      if case .call = suffixes.last { return false }
      return true
    default: return true
    }
  }

  private mutating func judge(
    _ value: SyntaxExpression, _ parameter: HostSignature.Parameter, of path: String, _ line: Int, _ hint: () -> String
  ) {
    if parameter.kinds.contains(.any) { return }
    switch value {
    case .string(let text):
      if let literals = parameter.literals {
        guard !literals.contains(text) else { return }
        find(
          .arguments, line, "\(path): \(parameter.name) cannot be \"\(text.prefix(64))\"",
          nearestName(to: text, among: literals).map { "did you mean \"\($0)\"?" }
            ?? "it is one of " + literals.joined(separator: ", "))
      } else if !parameter.kinds.contains(.text) {
        find(.arguments, line, "\(path): \(parameter.name) cannot be a string", hint())
      }
    // Numbers stand for texts, as everywhere in Lua.
    case .constant(.number):
      if !parameter.kinds.contains(.number), !parameter.kinds.contains(.text) {
        find(.arguments, line, "\(path): \(parameter.name) cannot be a number", hint())
      }
    case .constant(.boolean):
      if !parameter.kinds.contains(.boolean) {
        find(.arguments, line, "\(path): \(parameter.name) cannot be a boolean", hint())
      }
    case .function:
      if !parameter.kinds.contains(.function) {
        find(.arguments, line, "\(path): \(parameter.name) cannot be a function", hint())
      }
    case .table(let fields):
      if let members = parameter.record {
        judge(fields, members, of: path, line, hint)
      } else if !parameter.kinds.contains(.table) {
        find(.arguments, line, "\(path): \(parameter.name) cannot be a table", hint())
      }
    default: break
    }
  }

  private mutating func judge(
    _ fields: [SyntaxField], _ members: [HostSignature.Parameter], of path: String, _ line: Int, _ hint: () -> String
  ) {
    let names = members.map(\.name)
    var isWhole = true
    for field in fields {
      guard let name = field.name else {
        // A computed key may be any.
        isWhole = false
        if field.key == nil, Self.isOneValue(field.value) {
          find(.arguments, field.line, "\(path) takes its options by name", hint())
          return
        }
        continue
      }
      guard let member = members.first(where: { $0.name == name }) else {
        steps += names.count / 8
        find(
          .arguments, field.line, "\(path) has no option \(name.prefix(64))",
          nearestName(to: name, among: names).map { "did you mean \($0)?" }
            ?? "there are " + names.joined(separator: ", "))
        continue
      }
      judge(field.value, member, of: path, field.line, hint)
    }
    guard isWhole else { return }
    for missing in members where !missing.isOptional && !fields.contains(where: { $0.name == missing.name }) {
      find(.arguments, line, "\(path) needs \(missing.name)", hint())
      return
    }
  }

  // MARK: Values of hooks

  /// A field of what a hook is given besides `ctx` and `cfg`: its lane, its call, its error.
  mutating func valueField(_ type: String, _ name: String, _ line: Int, isWritten: Bool) {
    guard let known = ValueClass.all.first(where: { $0.name == type }) else { return }
    let names = known.fields.map { $0.name.last == "?" ? String($0.name.dropLast()) : $0.name }
    let short = known.shortName
    if isWritten, known.isReadOnly {
      find(
        .value, line, "writes \(short).\(name.prefix(64)), which raises", "s and ctx.vars hold what is a policy's own")
      return
    }
    if isWritten { ownFields.insert(type + "." + name) }
    guard !names.contains(name), !ownFields.contains(type + "." + name) else { return }
    find(
      .value, line, "\(short) has no \(name.prefix(64))",
      nearestName(to: name, among: names).map { "did you mean \($0)?" } ?? "there are " + names.joined(separator: ", "))
  }
}

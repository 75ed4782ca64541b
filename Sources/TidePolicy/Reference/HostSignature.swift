/// What a host function takes, read from the parameters that its annotation writes: one table behind the reference, the options that
/// functions accept, and the lint.
struct HostSignature: Sendable {
  indirect enum Kind: Sendable, Equatable {
    case any, text, number, boolean, nothing, table, function
    /// One text, and no other.
    case literal(String)
    /// A table with these keys.
    case record([Parameter])
  }

  struct Parameter: Sendable, Equatable {
    var name: String
    /// May be left out.
    var isOptional: Bool
    /// Any of these.
    var kinds: [Kind]

    /// Nil where it may be another thing than a table with keys.
    var record: [Parameter]? {
      for case .record(let members) in kinds { return members }
      return nil
    }

    /// The texts that it may be, where it may not be any.
    var literals: [String]? {
      guard !kinds.contains(.text), !kinds.contains(.any) else { return nil }
      let texts = kinds.compactMap { kind in if case .literal(let text) = kind { text } else { nil } }
      return texts.isEmpty ? nil : texts
    }
  }

  var parameters: [Parameter]

  /// - Parameter text: as `HostFunction.usage` has it.
  init(_ text: String) { parameters = Self.parameters(Substring(text)) }

  /// As one calls it: `tide.deny(status, { code, message })`.
  func call(_ path: String) -> String {
    let shown = parameters.map { parameter in
      parameter.record.map { "{ " + $0.map(\.name).joined(separator: ", ") + " }" } ?? parameter.name
    }
    let isTableAlone = parameters.count == 1 && parameters[0].record != nil
    return isTableAlone ? "\(path) \(shown[0])" : "\(path)(\(shown.joined(separator: ", ")))"
  }

  private static func parameters(_ text: Substring) -> [Parameter] {
    split(text, at: ",").map { part in
      let colon = part.firstIndex(of: ":") ?? part.endIndex
      var name = part[..<colon].filter { $0 != " " }
      let isMarked = name.hasSuffix("?")
      if isMarked { name.removeLast() }
      let kinds = split(part[colon...].dropFirst(), at: "|").map(kind)
      return Parameter(
        name: name, isOptional: isMarked || kinds.contains(.any) || kinds.contains(.nothing), kinds: kinds)
    }
  }

  private static func kind(_ text: Substring) -> Kind {
    let name = text.filter { $0 != " " }
    if name.hasSuffix("]") { return .table }
    if name.hasPrefix("\"") { return .literal(String(name.dropFirst().dropLast())) }
    if name.hasPrefix("{") {
      let inner = text.drop { $0 != "{" }.dropFirst()
      return .record(parameters(inner[..<(inner.lastIndex(of: "}") ?? inner.endIndex)]))
    }
    return switch name {
    case "string": .text
    case "integer", "number": .number
    case "boolean": .boolean
    case "nil": .nothing
    case "table": .table
    case "function": .function
    default: .any
    }
  }

  /// The pieces between separators that stand in no brackets; none of an empty text.
  private static func split(_ text: Substring, at separator: Character) -> [Substring] {
    var pieces: [Substring] = []
    var start = text.startIndex
    var depth = 0
    for index in text.indices {
      switch text[index] {
      case "{", "(": depth += 1
      case "}", ")": depth -= 1
      case separator where depth == 0:
        pieces.append(text[start..<index])
        start = text.index(after: index)
      default: break
      }
    }
    return text.allSatisfy { $0 == " " } ? [] : pieces + [text[start...]]
  }
}

extension HostFunction {
  private static let signatures: [HostFunction: HostSignature] = Dictionary(
    uniqueKeysWithValues: allCases.compactMap { function in
      // The method of `ctx` says to the log what the function says.
      let usage = function == .contextLog ? HostFunction.log.usage : function.usage
      return usage.map { (function, HostSignature($0.parameters)) }
    })

  /// Nil for methods of objects, but of those of `ctx` itself.
  var signature: HostSignature? { Self.signatures[self] }

  /// The keys of the table that it takes.
  var optionKeys: [String] { signature?.parameters.lazy.compactMap(\.record).first?.map(\.name) ?? [] }
}

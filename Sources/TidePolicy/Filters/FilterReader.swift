import TideCore
import TideDialects

/// Reads what a script passed to `tide.filter.mask` and its like, so strictly that every mistake shows at the line where it was made.
enum FilterReader {
  /// - Parameters:
  ///   - function: the name after `tide.filter.`.
  ///   - hasCallback: `on_match` is a function.
  static func read(_ function: String, _ options: PolicyValue, hasCallback: Bool) throws(HostError) -> DeclaredFilter {
    let name = "tide.filter.\(function)"
    guard let entries = options.entries else { throw HostError("\(name): expected a table, got \(options.kind)") }
    let known = HostFunction.named(name)?.optionKeys ?? []
    for entry in entries where !known.contains(entry.key) {
      throw HostError("\(name): unknown option \(entry.key)" + SchemaReader.suggestion(entry.key, known))
    }
    if options["on_match"] != nil, !hasCallback { throw HostError("\(name): on_match must be a function") }
    let filter = DeclaredFilter(
      name: try text(options, "name", name) ?? function,
      declaration: FilterDeclaration(try action(function, options, name), asksOnMatch: hasCallback),
      channels: try options["channels"].map { value throws(HostError) in
        do throws(HostError) { return try ChannelSet.read(value) } catch {
          throw HostError("\(name): \(error.message)")
        }
      })
    do throws(FilterProblem) { try filter.declaration.check() } catch {
      throw HostError("tide.filter.\(error.message)")
    }
    return filter
  }

  private static func action(
    _ function: String, _ options: PolicyValue, _ name: String
  ) throws(HostError) -> FilterDeclaration.Action {
    switch function {
    case "mask":
      return .mask(kinds: try kinds(options["kinds"], name), with: try text(options, "with", name) ?? "[{kind}]")
    case "replace":
      return .replace(
        words: try words(options["words"], name), ignoresCase: try flag(options, "ignore_case", name),
        wholeWords: try flag(options, "whole_word", name))
    case "restore":
      guard let map = try text(options, "map", name) else {
        throw HostError("\(name): map is missing: the name that ctx.prompt:mask was given")
      }
      return .restore(map: map)
    case "block": return .block(patterns: try patterns(options, name))
    default:
      guard let tokens = options["output_tokens"]?.wholeNumber else {
        throw HostError("\(name): output_tokens must be a whole number")
      }
      return .limit(outputTokens: tokens)
    }
  }

  /// A list of kinds of entities.
  static func kinds(_ value: PolicyValue?, _ function: String) throws(HostError) -> [EntityKind] {
    let all = EntityKind.allCases.map(\.name)
    guard let names = value?.elements else {
      throw HostError("\(function): kinds must be a list of " + all.joined(separator: ", "))
    }
    var kinds: [EntityKind] = []
    for name in names {
      guard let kind = name.text.flatMap(EntityKind.init(name:)) else {
        let shown = SchemaField.show(name)
        throw HostError(
          "\(function): unknown kind \(shown)" + SchemaReader.suggestion(shown, all) + "; there are "
            + all.joined(separator: ", "))
      }
      if !kinds.contains(kind) { kinds.append(kind) }
    }
    return kinds
  }

  /// In the order of their text: Lua's order is another one in every machine.
  private static func words(_ value: PolicyValue?, _ name: String) throws(HostError) -> [FilterDeclaration.Word] {
    guard let entries = value?.entries else {
      throw HostError("\(name): words must be a table such as { [\"old\"] = \"new\" }")
    }
    var words: [FilterDeclaration.Word] = []
    for entry in entries {
      guard let replacement = entry.value.text else {
        throw HostError("\(name): words[\"\(entry.key)\"] must be a string, not \(entry.value.kind)")
      }
      words.append(FilterDeclaration.Word(entry.key, replacement))
    }
    return words.sorted { $0.text < $1.text }
  }

  private static func patterns(
    _ options: PolicyValue, _ name: String
  ) throws(HostError) -> [FilterDeclaration.Pattern] {
    guard let list = options["patterns"]?.elements else {
      throw HostError("\(name): patterns must be a list of strings")
    }
    var longest: Int?
    if let written = options["max_len"] {
      guard let count = written.wholeNumber, FilterHold.byteCountRange.upperBound >= count, count > 0 else {
        throw HostError("\(name): max_len must be a number of bytes from 1 to \(FilterHold.byteCountRange.upperBound)")
      }
      longest = count
    }
    let ignoresCase = try flag(options, "ignore_case", name)
    var patterns: [FilterDeclaration.Pattern] = []
    for (index, pattern) in list.enumerated() {
      guard let text = pattern.text else {
        throw HostError("\(name): patterns[\(index + 1)] must be a string, not \(pattern.kind)")
      }
      patterns.append(FilterDeclaration.Pattern(text, byteCountMax: longest, ignoresCase: ignoresCase))
    }
    return patterns
  }

  private static func text(_ options: PolicyValue, _ key: String, _ name: String) throws(HostError) -> String? {
    guard let value = options[key] else { return nil }
    guard let text = value.text else { throw HostError("\(name): \(key) must be a string, not \(value.kind)") }
    return text
  }

  private static func flag(_ options: PolicyValue, _ key: String, _ name: String) throws(HostError) -> Bool {
    switch options[key] {
    case nil: return false
    case .boolean(let flag)?: return flag
    case let other?: throw HostError("\(name): \(key) must be true or false, not \(other.kind)")
    }
  }
}

import TideCore
import Yams

/// Reads one YAML 1.2 document (JSON is a subset) into nodes that know where they stand.
///
/// Stricter than YAML where leniency hides mistakes: duplicate keys, keys that are not scalars, tags of an application's own and
/// several documents are errors. Only `true` and `false` are booleans, so `no`, `on` and `yes` stay strings; `010` is ten.
/// Aliases work, but may add only `aliasedNodeLimit` nodes, so that a small file cannot unfold into a large tree.
public enum YAMLDocument {
  static let aliasedNodeLimit = 100_000
  static let depthLimit = 100

  /// - Parameters:
  ///   - text: the document; an empty one is null.
  ///   - file: its name in diagnostics.
  public static func parse(_ text: String, file: String) throws(Diagnostic) -> ConfigNode {
    var noVariables: VariableExpansion? = nil
    return try parse(text, file: file, expanding: &noVariables)
  }

  /// Parses, and expands variables in every scalar value. What cannot be expanded is collected in `expansion`.
  static func parse(
    _ text: String, file: String, expanding expansion: inout VariableExpansion?
  ) throws(Diagnostic) -> ConfigNode {
    if let diagnostic = YAMLComplexKey.find(in: text, file: file) { throw diagnostic }
    let root: Node?
    do {
      root = try Parser(yaml: text, resolver: .basic, encoding: .utf8).singleRoot()
    } catch {
      throw Diagnostic(yamlError: error, file: file)
    }
    guard let root else { return ConfigNode(.null, line: 1, column: 1) }
    var reader = YAMLNodeReader(
      file: file, budget: text.utf8.count + aliasedNodeLimit, expansion: expansion)
    let node = try reader.read(root, depth: 0)
    expansion = reader.expansion
    return node
  }
}

extension Diagnostic {
  fileprivate init(yamlError error: any Error, file: String) {
    switch error as? YamlError {
    case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
      .composer(let context, let problem, let mark, _):
      let about = context.map { " " + $0.text.trimmingPrefix(" ") } ?? ""
      self.init(
        file: file, line: mark.line, column: mark.column,
        message: "not valid YAML: \(problem)" + (about == " " ? "" : about))
    case .duplicatedKeysInMapping(let duplicates, let context):
      let names = duplicates.map { "`\($0)`" }.joined(separator: ", ")
      self.init(
        file: file, line: context.mark.line, column: context.mark.column,
        message: "duplicate key \(names): given more than once in this map, first here",
        hint: "keep one of them")
    case .reader(let problem, _, _, _):
      self.init(file: file, message: "not valid YAML: \(problem)")
    default:
      self.init(file: file, message: "not valid YAML: \(error)")
    }
  }
}

import TideCore
import Yams

/// Turns the YAML library's nodes into ours: resolves scalars by the YAML 1.2 core schema, and counts what aliases unfold.
struct YAMLNodeReader {
  let file: String
  /// How many more nodes may be made.
  var budget: Int
  var expansion: VariableExpansion?

  mutating func read(_ node: Node, depth: Int) throws(Diagnostic) -> ConfigNode {
    let line = node.mark?.line ?? 0
    let column = node.mark?.column ?? 0
    budget -= 1
    guard budget >= 0 else {
      throw Diagnostic(
        file: file, line: line, column: column,
        message: "aliases unfold this document into more than \(YAMLDocument.aliasedNodeLimit) additional values")
    }
    guard depth < YAMLDocument.depthLimit else {
      throw Diagnostic(
        file: file, line: line, column: column, message: "nested more than \(YAMLDocument.depthLimit) levels deep")
    }
    switch node {
    case .scalar(let scalar):
      return ConfigNode(try value(of: scalar, line: line, column: column), line: line, column: column)
    case .sequence(let sequence):
      try requireStandard(tag: sequence.tag, "seq", line: line, column: column)
      var items: [ConfigNode] = []
      items.reserveCapacity(sequence.count)
      for item in sequence { items.append(try read(item, depth: depth + 1)) }
      return ConfigNode(.array(items), line: line, column: column)
    case .mapping(let mapping):
      try requireStandard(tag: mapping.tag, "map", line: line, column: column)
      var entries: [ConfigNode.Entry] = []
      entries.reserveCapacity(mapping.count)
      for (key, value) in mapping { entries.append(try entry(key, value, depth: depth)) }
      return ConfigNode(.map(entries), line: line, column: column)
    case .alias(let alias):
      throw Diagnostic(
        file: file, line: line, column: column, message: "undefined alias `*\(alias.anchor.rawValue)`")
    }
  }

  private mutating func entry(_ key: Node, _ value: Node, depth: Int) throws(Diagnostic) -> ConfigNode.Entry {
    let line = key.mark?.line ?? 0
    let column = key.mark?.column ?? 0
    guard case .scalar(let name) = key else {
      throw Diagnostic(file: file, line: line, column: column, message: "a key must be a single word or string")
    }
    return ConfigNode.Entry(
      key: name.string, keyLine: line, keyColumn: column, value: try read(value, depth: depth + 1))
  }

  private mutating func value(
    of scalar: Node.Scalar, line: Int, column: Int
  ) throws(Diagnostic) -> ConfigNode.Value {
    var text = scalar.string
    expansion?.expand(&text, file: file, line: line, column: column)
    switch scalar.tag.description {
    case "" where scalar.style == .plain:
      return YAMLCoreSchema.value(ofPlain: text)
    case "", "!", "tag:yaml.org,2002:str":
      return .string(text)
    case let tag:
      guard tag.hasPrefix("tag:yaml.org,2002:") else {
        throw Diagnostic(file: file, line: line, column: column, message: "unknown tag `\(tag)`")
      }
      return YAMLCoreSchema.value(ofPlain: text)
    }
  }

  private func requireStandard(tag: Tag, _ name: String, line: Int, column: Int) throws(Diagnostic) {
    let text = tag.description
    guard text.isEmpty || text == "!" || text == "tag:yaml.org,2002:\(name)" else {
      throw Diagnostic(file: file, line: line, column: column, message: "unknown tag `\(text)`")
    }
  }
}

import TideConfig
import TideCore

/// Which clusters answer for a model's name.
struct ModelTable: Sendable {
  let entries: [ModelEntry]

  typealias Target = ModelEntry.Target

  /// The targets of the entry for `model`: an exact id wins over a glob, and among globs the first written.
  func targets(for model: String) -> [Target] {
    let entry =
      entries.first { $0.id.isExact && $0.id.pattern == model }
      ?? entries.first { !$0.id.isExact && $0.id.matches(model) }
    return entry?.targets ?? []
  }

  /// What `/v1/models` lists: exact ids, with their first target's cluster as the owner.
  var listed: [(id: String, owner: String)] {
    entries.filter { $0.id.isExact }.map { ($0.id.pattern, $0.targets.first?.cluster ?? "tidegate") }
  }
}

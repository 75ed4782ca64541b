/// Where the text of an answer comes from.
public enum EngineMode: String, Sendable, CaseIterable {
  /// The last user message, word by word.
  case echo
  /// A number of words of lorem ipsum.
  case lorem
  /// The text of the settings, or of the header `x-engine-script`.
  case scripted
}

extension TokenText {
  /// The text of lorem mode, repeated as often as an answer needs.
  static let lorem = TokenText(
    wordsOf: Array(
      """
       Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolore \
      magna aliqua. Ut enim ad minim veniam, quis nostrud exercitation ullamco laboris nisi ut aliquip ex ea commodo \
      consequat. Duis aute irure dolor in reprehenderit in voluptate velit esse cillum dolore eu fugiat nulla pariatur. \
      Excepteur sint occaecat cupidatat non proident, sunt in culpa qui officia deserunt mollit anim id est laborum.
      """.utf8), repeats: true)

  /// What the engine thinks before it answers, when asked to.
  static let reasoning = TokenText(wordsOf: Array("The user wants an answer, so I shall give one.".utf8))

  /// What it calls a tool with, when no script says otherwise: the inside of a JSON string.
  static let toolArguments = TokenText(
    piecesOf: Array(#"{\"location\":\"Rotterdam\",\"unit\":\"celsius\",\"days\":3}"#.utf8), byteCount: 7)
}

/// The arguments in `tool_calls` of Chat Completions, for those who only want to know how much they are.
enum ChatCallArguments {
  /// Goes through the calls of a delta or of a whole answer.
  ///
  /// - Parameters:
  ///   - list: the array.
  ///   - body: gets the arguments of each call that has some: their JSON without quotes, and whether it has escapes. False ends it.
  /// - Returns: how many calls were passed; all of them unless `body` said no.
  static func each(
    _ list: UnsafeRawBufferPointer, _ body: (_ content: UnsafeRawBufferPointer, _ hasEscapes: Bool) -> Bool
  ) -> Int {
    var scanner = JSONScanner(list)
    var count = 0
    guard scanner.peek() == .array, scanner.enterArray() else { return 0 }
    while scanner.nextElement() {
      guard scanner.peek() == .object, scanner.enterObject() else {
        _ = scanner.skipValue()
        count &+= 1
        continue
      }
      while let key = scanner.nextKey() {
        let isCall = scanner.equals(key, "function") || scanner.equals(key, "custom")
        guard isCall, scanner.peek() == .object, scanner.enterObject() else {
          _ = scanner.skipValue()
          continue
        }
        while let member = scanner.nextKey() {
          let isArguments = scanner.equals(member, "arguments") || scanner.equals(member, "input")
          if isArguments, scanner.peek() == .string {
            guard let text = scanner.string() else { return count }
            if text.end > text.start, !body(scanner.content(text), text.hasEscapes) { return count }
          } else {
            let isNull = scanner.peek() == .null
            guard let value = scanner.skipValue() else { return count }
            // Some engines give the object itself.
            if isArguments, !isNull, !body(UnsafeRawBufferPointer(rebasing: list[value]), false) { return count }
          }
        }
      }
      count &+= 1
    }
    return count
  }
}

extension ChatRequest {
  /// The messages of a request as it came.
  enum Prompt {
    /// Finds out whether the messages can be read, without keeping any.
    ///
    /// - Returns: how many bytes they have.
    static func check(_ object: JSONObject, _ dialect: Dialect) throws(RequestProblem) -> Int {
      var byteCount = 0
      try walk(object, dialect, keepsParts: false) { byteCount += $0.json.count }
      return byteCount
    }

    /// The messages of a request that was checked.
    static func messages(_ object: JSONObject, _ dialect: Dialect) -> [ChatMessage] {
      var messages: [ChatMessage] = []
      do throws(RequestProblem) {
        try walk(object, dialect, keepsParts: true) { messages.append($0) }
      } catch {
        assertionFailure("a prompt that was checked cannot be read: \(error.message)")
      }
      return messages
    }

    /// Where each message stands in the request's list.
    static func ranges(_ object: JSONObject, _ dialect: Dialect) -> [Range<Int>] {
      var ranges: [Range<Int>] = []
      do throws(RequestProblem) {
        try walk(object, dialect, keepsParts: false) { if case .listed = $0.origin { ranges.append($0.json.indices) } }
      } catch {
        assertionFailure("a prompt that was checked cannot be read: \(error.message)")
      }
      return ranges
    }

    /// Reads one message after the other.
    private static func walk(
      _ object: JSONObject, _ dialect: Dialect, keepsParts: Bool, _ body: (consuming ChatMessage) -> Void
    ) throws(RequestProblem) {
      if let systemName = dialect.systemName, let json = object.value(systemName), !json.elementsEqual("null".utf8) {
        guard
          let system = ChatMessage.read(value: json, role: "system", origin: .system, keepsParts: keepsParts)
        else {
          throw RequestProblem(
            message: "'\(systemName)' must be a string or an array of texts.", param: systemName, code: "invalid_type")
        }
        body(try system.get())
      }
      guard let range = object.originalRange(dialect.listName) else {
        // A prompt may be kept by the provider: Responses names it and needs no input.
        guard dialect == .responses else {
          throw RequestProblem(
            message: "Missing required parameter: '\(dialect.listName)'.", param: dialect.listName,
            code: "missing_required_parameter")
        }
        return
      }
      if dialect == .responses {
        let json = object.bytes[range]
        if json.elementsEqual("null".utf8) { return }
        if json.first == UInt8(ascii: "\""),
          let input = ChatMessage.read(value: json, role: "user", origin: .input, keepsParts: keepsParts)
        {
          return body(try input.get())
        }
      }
      try list(object, range, dialect, keepsParts: keepsParts, body)
    }

    /// Reads the elements of the list of messages.
    private static func list(
      _ object: JSONObject, _ range: Range<Int>, _ dialect: Dialect, keepsParts: Bool,
      _ body: (consuming ChatMessage) -> Void
    ) throws(RequestProblem) {
      let problem: RequestProblem? = object.bytes.withUnsafeBytes { buffer in
        var scanner = JSONScanner(UnsafeRawBufferPointer(rebasing: buffer[..<range.upperBound]), from: range.lowerBound)
        guard scanner.peek() == .array, scanner.enterArray() else { return noArray(dialect.listName) }
        var count = 0
        while scanner.nextElement() {
          guard let element = scanner.skipValue() else { return noArray(dialect.listName) }
          switch ChatMessage.read(object.bytes[element], dialect, keepsParts: keepsParts) {
          case .failure(let problem): return problem
          case .success(var message):
            message.origin = .listed(count)
            count += 1
            body(message)
          }
        }
        return nil
      }
      if let problem { throw problem }
    }

    private static func noArray(_ name: String) -> RequestProblem {
      RequestProblem(
        message: "'\(name)' must be an array of \(name == "input" ? "items" : "messages").", param: name,
        code: "invalid_type")
    }
  }
}

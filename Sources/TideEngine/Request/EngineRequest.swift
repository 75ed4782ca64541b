import TideCore
import TideDialects

/// What the engine reads of a request's body. Texts stay as they stand in the JSON, escapes and all: they go back into JSON.
struct EngineRequest {
  enum Problem: Error { case notJSON, wrongType(StaticString) }

  static let choiceLimit = 128

  var model: [UInt8] = []
  var isStream = false
  var includesUsage = false
  var choiceCount = 1
  var maxTokens = Int.max
  /// The texts of the last user message, or of the prompt, or of the embedding input, one after the other.
  var lastUserText: [UInt8] = []
  /// Words in all messages.
  var promptTokens = 0
  /// The name of the first tool, if there are tools.
  var toolName: [UInt8]?
  /// How many inputs an embeddings request has.
  var inputCount = 1

  /// Reads a body; its syntax is checked strictly, of what it says only what is used here.
  static func read(_ body: UnsafeRawBufferPointer) -> Result<EngineRequest, Problem> {
    do {
      return .success(try EngineRequest(body))
    } catch {
      return .failure(error)
    }
  }

  private init(_ body: UnsafeRawBufferPointer) throws(Problem) {
    var scanner = JSONScanner(body)
    guard scanner.enterObject() else { throw .notJSON }
    while let key = scanner.nextKey() { try read(key, &scanner) }
    guard scanner.atEnd() else { throw .notJSON }
  }

  private mutating func read(_ key: JSONString, _ scanner: inout JSONScanner) throws(Problem) {
    if scanner.equals(key, "model") {
      guard scanner.peek() == .string, let name = scanner.string() else { throw .wrongType("model") }
      model = [UInt8](scanner.content(name))
    } else if scanner.equals(key, "stream") {
      switch scanner.peek() {
      case .bool: isStream = scanner.bool() ?? false
      case .null: _ = scanner.skipValue()
      default: throw .wrongType("stream")
      }
    } else if scanner.equals(key, "n") {
      choiceCount = try count(&scanner, "n", default: 1, in: 1...Self.choiceLimit)
    } else if scanner.equals(key, "max_tokens") || scanner.equals(key, "max_completion_tokens")
      || scanner.equals(key, "max_output_tokens")
    {
      maxTokens = try count(&scanner, "max_tokens", default: maxTokens, in: 0...Int(Int32.max))
    } else if scanner.equals(key, "stream_options") {
      try readStreamOptions(&scanner)
    } else if scanner.equals(key, "messages") {
      try readMessages(&scanner)
    } else if scanner.equals(key, "prompt") || scanner.equals(key, "input") {
      readPrompt(&scanner)
    } else if scanner.equals(key, "system") || scanner.equals(key, "instructions") {
      var text: [UInt8] = []
      readContent(&scanner, into: &text)
      promptTokens += TokenText(wordsOf: text).count
    } else if scanner.equals(key, "tools") {
      readTools(&scanner)
    } else {
      _ = scanner.skipValue()
    }
  }

  private func count(
    _ scanner: inout JSONScanner, _ name: StaticString, default value: Int, in bounds: ClosedRange<Int>
  ) throws(Problem) -> Int {
    if scanner.peek() == .null {
      _ = scanner.skipValue()
      return value
    }
    guard scanner.peek() == .number, let range = scanner.number(), let number = scanner.integer(range),
      bounds.contains(Int(number))
    else { throw .wrongType(name) }
    return Int(number)
  }

  private mutating func readStreamOptions(_ scanner: inout JSONScanner) throws(Problem) {
    guard scanner.peek() == .object else {
      guard scanner.peek() == .null else { throw .wrongType("stream_options") }
      _ = scanner.skipValue()
      return
    }
    _ = scanner.enterObject()
    while let key = scanner.nextKey() {
      if scanner.equals(key, "include_usage"), scanner.peek() == .bool {
        includesUsage = scanner.bool() ?? false
      } else {
        _ = scanner.skipValue()
      }
    }
  }

  private mutating func readMessages(_ scanner: inout JSONScanner) throws(Problem) {
    guard scanner.peek() == .array else { throw .wrongType("messages") }
    _ = scanner.enterArray()
    while scanner.nextElement() {
      guard scanner.peek() == .object else { throw .wrongType("messages") }
      readMessage(&scanner)
    }
  }

  /// A message, or another item of a Responses request: a tool's output counts as part of the prompt.
  private mutating func readMessage(_ scanner: inout JSONScanner) {
    _ = scanner.enterObject()
    var text: [UInt8] = []
    var isUser = false
    while let key = scanner.nextKey() {
      if scanner.equals(key, "role"), scanner.peek() == .string, let role = scanner.string() {
        isUser = scanner.equals(role, "user")
      } else if scanner.equals(key, "content") || scanner.equals(key, "output") {
        readContent(&scanner, into: &text)
      } else {
        _ = scanner.skipValue()
      }
    }
    promptTokens += TokenText(wordsOf: text).count
    if isUser { lastUserText = text }
  }

  /// A string, or an array of parts of which those with `text` count.
  private func readContent(_ scanner: inout JSONScanner, into text: inout [UInt8]) {
    if scanner.peek() == .string, let content = scanner.string() {
      text.append(contentsOf: scanner.content(content))
    } else if scanner.peek() == .array {
      _ = scanner.enterArray()
      while scanner.nextElement() {
        guard scanner.peek() == .object else {
          _ = scanner.skipValue()
          continue
        }
        _ = scanner.enterObject()
        while let key = scanner.nextKey() {
          if scanner.equals(key, "text"), scanner.peek() == .string, let part = scanner.string() {
            text.append(contentsOf: scanner.content(part))
          } else {
            _ = scanner.skipValue()
          }
        }
      }
    } else {
      _ = scanner.skipValue()
    }
  }

  /// A string, an array of strings, or the items of a Responses request; arrays of token numbers are passed over.
  private mutating func readPrompt(_ scanner: inout JSONScanner) {
    if scanner.peek() == .array {
      _ = scanner.enterArray()
      inputCount = 0
      while scanner.nextElement() {
        inputCount += 1
        if scanner.peek() == .object {
          readMessage(&scanner)
        } else {
          var text: [UInt8] = []
          readContent(&scanner, into: &text)
          lastUserText += text
          promptTokens += TokenText(wordsOf: text).count
        }
      }
      inputCount = max(1, inputCount)
    } else {
      readContent(&scanner, into: &lastUserText)
      promptTokens += TokenText(wordsOf: lastUserText).count
    }
  }

  private mutating func readTools(_ scanner: inout JSONScanner) {
    guard scanner.peek() == .array else {
      _ = scanner.skipValue()
      return
    }
    _ = scanner.enterArray()
    while scanner.nextElement() {
      guard toolName == nil, scanner.peek() == .object else {
        _ = scanner.skipValue()
        continue
      }
      _ = scanner.enterObject()
      while let key = scanner.nextKey() {
        // Chat Completions keeps the name one level further in than the other dialects.
        if scanner.equals(key, "name"), scanner.peek() == .string, let name = scanner.string() {
          toolName = [UInt8](scanner.content(name))
          continue
        }
        guard scanner.equals(key, "function"), scanner.peek() == .object else {
          _ = scanner.skipValue()
          continue
        }
        _ = scanner.enterObject()
        while let inner = scanner.nextKey() {
          if scanner.equals(inner, "name"), scanner.peek() == .string, let name = scanner.string() {
            toolName = [UInt8](scanner.content(name))
          } else {
            _ = scanner.skipValue()
          }
        }
      }
    }
  }
}

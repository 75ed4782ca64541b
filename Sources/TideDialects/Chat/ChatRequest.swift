/// A chat request of any dialect as policies see it: read once, edited by splicing only what changes.
///
/// A request that nobody edits leaves byte for byte as it came, which keeps providers' prompt caches warm. Where a dialect keeps the
/// system prompt in a member of its own, it is the first of the messages here.
public final class ChatRequest {
  public let dialect: Dialect
  var object: JSONObject
  /// Where each message stood in the request's list as it came.
  let messageRanges: [Range<Int>]
  var storedMessages: [ChatMessage]
  var isMessagesEdited = false

  /// The name that the request asks for now; see also `setModel`.
  public internal(set) var model: String
  public let stream: Bool
  /// How many choices are asked for; 1 when nothing is said.
  public internal(set) var n: Int
  /// The request as it came asks for a usage event (`stream_options.include_usage`), or its dialect always tells the usage.
  public let includeUsage: Bool

  private init(
    _ dialect: Dialect, object: JSONObject, prompt: Prompt, model: String, stream: Bool, n: Int, includeUsage: Bool
  ) {
    self.dialect = dialect
    self.object = object
    messageRanges = prompt.ranges
    storedMessages = prompt.messages
    self.model = model
    self.stream = stream
    self.n = n
    self.includeUsage = includeUsage
  }

  /// Keys that the gateway itself reads: none may come twice, not even in different case.
  static func readKeys(_ dialect: Dialect) -> [String] {
    switch dialect {
    case .openAI: chatKeys
    case .responses: responsesKeys
    case .anthropic: messagesKeys
    }
  }

  // Made once, not once a request.
  private static let chatKeys = ["model", "stream", "messages", "n", "stream_options"]
  private static let responsesKeys = ["model", "stream", "input", "instructions"]
  private static let messagesKeys = ["model", "stream", "messages", "system"]

  /// Reads a request body.
  ///
  /// - Returns: the problem, status 400, when it is not one JSON object in UTF-8, is nested deeper than 64 levels, has a key twice, or
  ///   lacks or mistypes what the gateway must know.
  public static func parse(_ body: [UInt8], _ dialect: Dialect = .openAI) -> Result<ChatRequest, RequestProblem> {
    switch JSONObject.parse(body, strict: readKeys(dialect)) {
    case .failure(let problem): return .failure(problem)
    case .success(let object):
      do { return .success(try read(object, dialect)) } catch { return .failure(error) }
    }
  }

  private static func read(_ object: JSONObject, _ dialect: Dialect) throws(RequestProblem) -> ChatRequest {
    let isChat = dialect == .openAI
    let model = try RequestFields.model(object)
    let stream = try RequestFields.bool(object, "stream")
    let n = isChat ? try RequestFields.choiceCount(object) : 1
    let includeUsage = isChat ? try RequestFields.includeUsage(object) : true
    return ChatRequest(
      dialect, object: object, prompt: try Prompt(object, dialect), model: model, stream: stream, n: n,
      includeUsage: includeUsage)
  }

  /// Bytes of the request as it came.
  public var byteCount: Int { object.bytes.count }

  /// True once an edit changed something.
  public var isEdited: Bool { object.isEdited || isMessagesEdited }

  /// A rough count of the prompt's tokens: its messages' bytes by four, at least 1.
  public var tokensEstimate: Int {
    max(1, storedMessages.reduce(0) { $0 + $1.json.count } / 4 + (toolsRange?.count ?? 0) / 4)
  }

  public func setModel(_ name: String) {
    object.set("model", JSONText.quoted(name))
    model = name
  }

  /// The messages of a request as it came.
  struct Prompt {
    var ranges: [Range<Int>] = []
    var messages: [ChatMessage] = []

    init(_ object: JSONObject, _ dialect: Dialect) throws(RequestProblem) {
      let systemName = dialect.systemName
      if let systemName, let json = object.value(systemName), !json.elementsEqual("null".utf8) {
        guard let system = ChatMessage.read(value: Array(json), role: "system", origin: .system) else {
          throw RequestProblem(
            message: "'\(systemName)' must be a string or an array of texts.", param: systemName, code: "invalid_type")
        }
        messages.append(try system.get())
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
        let json = Array(object.bytes[range])
        if json.elementsEqual("null".utf8) { return }
        if json.first == UInt8(ascii: "\""),
          let input = ChatMessage.read(value: json, role: "user", origin: .input)
        {
          messages.append(try input.get())
          return
        }
      }
      ranges = try RequestFields.elements(object, range, of: dialect.listName)
      for (index, range) in ranges.enumerated() {
        var message = try ChatMessage.read(Array(object.bytes[range]), dialect).get()
        message.origin = .listed(index)
        messages.append(message)
      }
    }
  }
}

extension Dialect {
  /// The member that holds the system prompt; nil where a message does.
  var systemName: String? {
    switch self {
    case .openAI: nil
    case .responses: "instructions"
    case .anthropic: "system"
    }
  }
}

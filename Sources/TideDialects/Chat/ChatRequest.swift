/// A chat request of any dialect as policies see it: read once, edited by splicing only what changes.
///
/// A request that nobody edits leaves byte for byte as it came, which keeps providers' prompt caches warm. Where a dialect keeps the
/// system prompt in a member of its own, it is the first of the messages here.
public final class ChatRequest {
  public let dialect: Dialect
  var object: JSONObject
  /// Read when somebody asks for them: that they can be read is known, and most requests pass unread.
  lazy var storedMessages = Prompt.messages(object, dialect)
  var isMessagesEdited = false

  /// Reads the messages now, for policies that may ask for them: a hook has a budget, and a prompt may be long.
  public func readMessages() { _ = storedMessages }

  /// Of the messages as they came.
  private let messageByteCount: Int

  /// The name that the request asks for now; see also `setModel`.
  public internal(set) var model: String
  public let stream: Bool
  /// How many choices are asked for; 1 when nothing is said.
  public internal(set) var n: Int
  /// The request as it came asks for a usage event (`stream_options.include_usage`), or its dialect always tells the usage.
  public let includeUsage: Bool

  private init(
    _ dialect: Dialect, object: JSONObject, messageByteCount: Int, model: String, stream: Bool, n: Int,
    includeUsage: Bool
  ) {
    self.dialect = dialect
    self.object = object
    self.messageByteCount = messageByteCount
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
      dialect, object: object, messageByteCount: try Prompt.check(object, dialect), model: model, stream: stream, n: n,
      includeUsage: includeUsage)
  }

  /// Bytes of the request as it came.
  public var byteCount: Int { object.bytes.count }

  /// True once an edit changed something.
  public var isEdited: Bool { object.isEdited || isMessagesEdited }

  /// A rough count of the prompt's tokens: its messages' bytes by four, at least 1.
  public var tokensEstimate: Int {
    let messages = isMessagesEdited ? storedMessages.reduce(0) { $0 + $1.json.count } : messageByteCount
    return max(1, messages / 4 + (toolsRange?.count ?? 0) / 4)
  }

  public func setModel(_ name: String) {
    object.set("model", JSONText.quoted(name))
    model = name
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

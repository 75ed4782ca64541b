import TideCore

/// The transformer of one streamed answer, in the dialect of its request.
///
/// An enum, so that the path of Chat Completions stays direct.
public enum AnswerStream {
  case chat(ChatStream)
  case named(NamedEventStream)

  public init(_ dialect: Dialect, options: ChatStreamOptions) {
    switch dialect {
    case .openAI: self = .chat(ChatStream(options: options))
    case .responses: self = .named(ResponsesStream(options: options))
    case .anthropic: self = .named(MessagesStream(options: options))
    }
  }

  /// Takes bytes of the upstream's answer, cut anywhere, and appends what the client gets. After the end, bytes are ignored.
  @inline(__always)
  public func receive(_ bytes: UnsafeRawBufferPointer, into out: inout ByteQueue) -> StreamProgress {
    switch self {
    case .chat(let stream): stream.receive(bytes, into: &out)
    case .named(let stream): stream.receive(bytes, into: &out)
    }
  }

  /// The upstream's answer has ended without a fault of the transport.
  public func receiveEnd(into out: inout ByteQueue) -> StreamProgress {
    switch self {
    case .chat(let stream): stream.receiveEnd(into: &out)
    case .named(let stream): stream.receiveEnd(into: &out)
    }
  }

  /// Goes on after `.waiting`, once the policy that waited has decided.
  public func resume(into out: inout ByteQueue) -> StreamProgress {
    switch self {
    case .chat(let stream): stream.resume(into: &out)
    case .named(let stream): stream.resume(into: &out)
    }
  }

  /// Sends the text that lanes may hold no longer: `LaneProcessor.releaseTime` has come.
  public func release(at time: MonotonicTime, into out: inout ByteQueue) -> StreamProgress {
    switch self {
    case .chat(let stream): stream.release(at: time, into: &out)
    case .named(let stream): stream.release(at: time, into: &out)
    }
  }

  /// Ends the answer from outside, well formed.
  ///
  /// - Parameter choice: gets the cut's text; nil is the first that has not finished.
  @discardableResult
  public func cut(_ cut: LaneCut, choice: Int32? = nil, into out: inout ByteQueue) -> StreamProgress {
    switch self {
    case .chat(let stream): stream.cut(cut, choice: choice, into: &out)
    case .named(let stream): stream.cut(cut, into: &out)
    }
  }

  /// Tells the client that its answer broke off: the dialect's error event, once, and never a terminal marker.
  public func writeError(_ failure: StreamFailure, into out: inout ByteQueue) {
    switch self {
    case .chat(let stream): stream.writeError(failure, into: &out)
    case .named(let stream): stream.writeError(failure, into: &out)
    }
  }

  /// Events with text or tool arguments: tokens, as far as the gateway can count them.
  @inline(__always)
  public var contentEventCount: Int {
    switch self {
    case .chat(let stream): stream.contentEventCount
    case .named(let stream): stream.contentEventCount
    }
  }

  /// Bytes of text sent to the client.
  public var deliveredTextBytes: Int {
    switch self {
    case .chat(let stream): stream.deliveredTextBytes
    case .named(let stream): stream.deliveredTextBytes
    }
  }

  /// What the answer cost: the upstream's figures, or the gateway's own count while there are none.
  public var usage: TokenUsage {
    switch self {
    case .chat(let stream): stream.usage
    case .named(let stream): stream.usage
    }
  }

  public var usageSource: TokenUsage.Source {
    switch self {
    case .chat(let stream): stream.usageSource
    case .named(let stream): stream.usageSource
    }
  }

  public var progress: StreamProgress {
    switch self {
    case .chat(let stream): stream.progress
    case .named(let stream): stream.progress
    }
  }

  /// Each choice that has finished, with its reason in the dialect's words.
  public var finishReasons: [FinishReason] {
    switch self {
    case .chat(let stream): stream.finishReasons
    case .named(let stream): stream.finishReasons
    }
  }
}

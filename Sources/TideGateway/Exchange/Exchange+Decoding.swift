import TideCoding
import TideCore
import TideDialects
import TidePolicy

/// Bodies that come with a content coding, though the gateway asks for none: undone where their text must be read, else passed as they are.
extension Exchange {
  // MARK: The answer

  /// Whether decoded text of the answer can be handed on now.
  var takesDecodedText: Bool {
    phase == .responding && !isJudgingTool && downstream.output.byteCount < configuration.limits.streamBuffer
  }

  /// Lets what the upstream sends pass a decoder. `body` says before what becomes of it.
  func decodeAnswer(_ coding: ContentCoding) {
    let limits = configuration.limits
    let made = AnswerDecoder(
      coding, limits: DecodingLimits(byteCount: isStreamed ? nil : min(limits.decodedBody, limits.responseBody)),
      for: self)
    decoder = made
    made.start()
    worker.metrics.recordDecoded(coding.rawValue)
  }

  private var isStreamed: Bool { if case .events = body { true } else { false } }

  /// The answer needs no decoder any more, or will not be looked at.
  func stopDecoding() {
    guard let decoder else { return }
    self.decoder = nil
    decoder.stop()
  }

  /// Bytes came that are not text yet.
  func codedBytesCame(_ count: Int) {
    if phase == .responding { lastActivity = worker.io.now }
    worker.metrics.add(.upstreamBytesIn, UInt64(count))
  }

  /// The answer's coding is broken, or expands too far: to the client the upstream has failed.
  func answerIsUndecodable(_ failure: DecodingFailure, _ coding: ContentCoding) {
    pool?.recordFailure()
    worker.metrics.recordUndecodable(failure.rawValue)
    if let endpoint = pool?.endpoint {
      worker.log.answerUndecodable(
        exchange: context.id, endpoint: endpoint, reason: "\(coding.rawValue): \(failure.rawValue)")
    }
    if case .events(let stream) = body {
      return streamFailed(stream, failure == .truncated ? .truncated : .undecodable)
    }
    let limits = configuration.limits
    switch failure {
    case .tooLarge:
      let limit = min(limits.decodedBody, limits.responseBody)
      fail(
        LocalFailure(
          502, "response_too_large",
          "The upstream's answer is larger than \(limit) bytes when it is decoded, too large for policies to see whole.",
          .upstreamDied))
    default:
      fail(
        LocalFailure(502, "upstream_undecodable", "The upstream's answer \(failure.message).", .upstreamDied))
    }
  }

  /// The answer has a coding that cannot be undone, and policies must read its text.
  func answerIsForeign(_ encoding: ContentEncoding, _ problem: String) {
    worker.metrics.recordUndecodable(encoding == .nested ? "nested" : "unknown")
    if let endpoint = pool?.endpoint {
      worker.log.answerUndecodable(exchange: context.id, endpoint: endpoint, reason: problem)
    }
    fail(
      LocalFailure(
        502, "upstream_undecodable",
        "The upstream's answer \(problem), so that the policies of this route cannot read it. Let the upstream send it plain, as it is asked to, or with one of \(ContentCoding.list).",
        .upstreamDied))
  }

  /// What a relayed answer says it cost.
  func reportedUsage(_ bytes: UnsafeRawBufferPointer) -> TokenUsage? {
    guard case .coded(let coding) = ContentEncoding(upstreamHead?.headers.joined("content-encoding")) else {
      return AnswerBody.reportedUsage(bytes, dialect)
    }
    guard case .success(let text) = ContentDecoder.decode(bytes, coding, byteLimit: Self.teeLimit) else { return nil }
    return text.withUnsafeBytes { AnswerBody.reportedUsage($0, dialect) }
  }

  // MARK: The request

  /// Makes ready for a body that will be read.
  func prepareRequestBody() {
    let encoding = ContentEncoding(context.request.headers.joined("content-encoding"))
    if let problem = encoding.problem {
      worker.metrics.recordUndecodable(encoding == .nested ? "nested" : "unknown")
      return fail(.unsupportedEncoding(problem))
    }
    if case .coded(let coding) = encoding {
      requestCoding = coding
      worker.metrics.recordDecoded(coding.rawValue)
    }
    requestBody.reserveCapacity(min(context.request.contentLength ?? 0, Self.reservedBodyLimit))
  }

  private var decodedRequestLimit: Int { min(configuration.limits.decodedBody, configuration.limits.requestBody) }

  /// Undoes the coding of a body that is whole, and not before: a client that sends slowly holds no more memory than what it has sent.
  ///
  /// - Returns: false when the request has been refused.
  func requestIsDecoded() -> Bool {
    // A body without a byte is no coded one: what reads it says what is missing.
    guard let coding = requestCoding, !requestBody.isEmpty else { return true }
    requestCoding = nil
    let coded = requestBody
    requestBody = []
    codedRequestSize = coded.count
    var decoder = ContentDecoder(coding, limits: DecodingLimits(byteCount: decodedRequestLimit))
    let failure = coded.withUnsafeBytes { decoder.decode($0, appendingTo: &requestBody) } ?? decoder.failureAtEnd()
    guard let failure else { return true }
    requestIsUndecodable(failure)
    return false
  }

  private func requestIsUndecodable(_ failure: DecodingFailure) {
    worker.metrics.recordUndecodable(failure.rawValue)
    switch failure {
    case .tooLarge: fail(.tooLarge(decodedRequestLimit, " when it is decoded"))
    case .ratio, .window: fail(LocalFailure(413, "request_too_large", "The request's body \(failure.message)."))
    case .memory: fail(.overloaded)
    case .corrupt, .checksum, .truncated, .trailing:
      fail(
        LocalFailure(
          400, "undecodable_body", "The request's body \(failure.message): it is not what its Content-Encoding says."))
    }
  }
}

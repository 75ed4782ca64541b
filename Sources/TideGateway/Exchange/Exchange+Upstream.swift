import TideConfig
import TideCore
import TideDialects
import TideHTTP

/// The request on its way to an endpoint, and the end of what came back.
extension Exchange {
  func poolOffers(_ connection: any UpstreamConnection, of pool: EndpointPool) {
    guard phase == .connecting, pool === self.pool, targetIndex < targets.count else { return }
    let body = kind.readsBody ? upstreamBody() : []
    let request = upstreamRequestHead(pool.endpoint, byteCount: kind.readsBody ? body.count : nil)
    let endsAtOnce = kind.readsBody ? body.isEmpty : isRequestComplete && pendingUpload.isEmpty
    guard let stream = connection.open(request, endStream: endsAtOnce, consumer: self) else {
      // It said that it had room: to ask it again would go round for ever.
      return attemptFailed(.upstreamClosed)
    }
    upstream = stream
    phase = .awaitingHead
    lastActivity = worker.io.now
    rearmTimer()
    guard !endsAtOnce else { return }
    if kind.readsBody {
      stream.output.append(body)
      stream.end()
    } else {
      isUploadStarted = isUploadStarted || !pendingUpload.isEmpty
      stream.output.append(pendingUpload.readableBytes)
      pendingUpload.removeAll()
      stream.outputChanged()
      if isRequestComplete { stream.end() }
    }
  }

  /// The body as this attempt's target is to see it: byte for byte the client's unless a policy, an alias or the usage tap changed a value.
  private func upstreamBody() -> [UInt8] {
    let model = model(at: targetIndex)
    if let chat = context.chat {
      if model != chat.model || attempts > 1 { chat.setModel(model) }
      if chat.stream { chat.injectIncludeUsage() }
      return chat.body()
    }
    if model != context.model {
      guard case .success(let envelope) = RequestEnvelope.parse(requestBody) else { return requestBody }
      envelope.setModel(model)
      return envelope.body()
    }
    return requestBody
  }

  private func upstreamRequestHead(_ endpoint: Endpoint, byteCount: Int?) -> RequestHead {
    var headers = ForwardedHeaders.request(context.request.headers)
    headers.set("x-request-id", context.id)
    headers.set("accept-encoding", "identity")
    // What was read is plain.
    if kind.readsBody { headers.remove("content-encoding") }
    if let cluster = worker.cluster(named: endpoint.cluster, in: generation),
      let credentials = cluster.cluster.configuration.credentials
    {
      let (name, value) = credentials.header()
      headers.set(name, value.reveal())
    }
    var target = endpoint.pathPrefix + path.path
    if let query = ForwardedHeaders.query(path.query) { target += "?" + query }
    return RequestHead(
      method: context.request.method, scheme: endpoint.isSecure ? "https" : "http", authority: endpoint.authority,
      path: target, headers: headers, contentLength: byteCount ?? context.request.contentLength)
  }

  func upstreamDidEnd() {
    isUpstreamComplete = true
    lastActivity = worker.io.now
    switch phase {
    case .awaitingHead: attemptDied()
    case .responding: upstreamBodyIsWhole()
    case .receiving, .connecting, .waiting, .answered, .settled: break
    }
  }

  func upstreamDidReset(_ reason: StreamReset) {
    releaseUpstream()
    switch phase {
    case .awaitingHead:
      pool?.recordFailure()
      attemptFailed(.upstreamClosed, .closed, isUntouched: reason == .refused)
    case .responding:
      pool?.recordFailure()
      upstreamDied(.truncated)
    case .waiting: heldReset = reason
    case .receiving, .connecting, .answered, .settled: break
    }
  }

  private func attemptDied() {
    pool?.recordFailure()
    attemptFailed(.upstreamClosed, .closed, isUntouched: false)
  }

  func upstreamTimedOut() {
    // A client that does not read holds the upstream back: that is its silence, not the engine's, and the codec's stall rule
    // judges it. Only the limit of the whole exchange counts for both.
    if phase == .responding, !downstream.output.isEmpty, !isOverdue {
      lastActivity = worker.io.now
      return armTimer()
    }
    pool?.recordFailure()
    upstream?.reset(.cancelled)
    releaseUpstream()
    if isHeadSent {
      upstreamDied(.timedOut)
    } else if phase == .awaitingHead, !isOverdue {
      attemptFailed(.upstreamTimedOut, .timeout, isUntouched: false)
    } else {
      fail(.upstreamTimedOut)
    }
  }

  /// Lets go of the upstream stream without a word; its credit and connection are the codec's business.
  func releaseUpstream() {
    upstream?.consumer = nil
    upstream = nil
  }

  /// Returns credit once the client has taken what came before it: this is the backpressure.
  func returnUpstreamCredit() {
    guard let upstream, downstream.output.byteCount < Self.creditStep else { return }
    upstream.returnCredit(upstream.unreturnedCredit - (decoder?.codedByteCount ?? 0))
  }
}

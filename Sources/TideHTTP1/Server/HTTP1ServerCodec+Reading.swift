import TideCore

/// Bytes in, requests out.
extension HTTP1ServerCodec {
  /// Reads what came from the client. Never throws: what is wrong is answered, and the connection then ends.
  public func receive(_ bytes: UnsafeRawBufferPointer, now: MonotonicTime) {
    lastNow = now
    if reading == .stopped || bytes.isEmpty { return }
    precondition(!isProcessing, "a codec was fed from inside its own events")
    guard input.isEmpty else {
      input.append(bytes)
      return advance(now)
    }
    isProcessing = true
    let used = process(bytes, now)
    isProcessing = false
    if reading != .stopped, used < bytes.count {
      input.append(UnsafeRawBufferPointer(rebasing: bytes[used...]))
    }
  }

  /// The client ended its side. A half-closed connection counts as left: nobody may be there to read.
  public func receiveEnd(clean: Bool, now: MonotonicTime) {
    lastNow = now
    if reading == .stopped {
      if pending.isEmpty, let closing { signalClose(closing) }
      return
    }
    let isInsideMessage = hasHeadStarted || reading == .body || reading == .drain
    if live != nil {
      pending.removeAll()
      dropLive(telling: .peerGone)
    }
    abort(isInsideMessage ? .truncated : .peerGone)
  }

  /// Reads on in what was read ahead.
  func advance(_ now: MonotonicTime) {
    if isProcessing || reading == .stopped || reading == .waiting || input.isEmpty { return }
    isProcessing = true
    let used = process(input.readableBytes, now)
    isProcessing = false
    if reading == .stopped { input.removeAll() } else { input.consume(used) }
  }

  /// Reads `bytes` as far as the state allows and returns how many were used up. The bytes of an incomplete head are not:
  /// they come again with more behind them.
  private func process(_ bytes: UnsafeRawBufferPointer, _ now: MonotonicTime) -> Int {
    var offset = 0
    while true {
      switch reading {
      case .stopped: return bytes.count
      case .waiting: return offset
      case .head:
        let rest = UnsafeRawBufferPointer(rebasing: bytes[offset...])
        if rest.isEmpty || !mayDispatch(now) { return offset }
        beginHead(now)
        switch parser.parse(rest) {
        case .needsMore: return offset
        case .refused(let rejection): refuse(rejection)
        case .complete(let count):
          offset &+= count
          dispatch(UnsafeRawBufferPointer(rebasing: rest[0..<count]), now)
        }
      case .body, .drain:
        switch reader.next(bytes, from: &offset) {
        case .needsMore: return offset
        case .data(let start, let count):
          guard reading == .body, let stream = live, let consumer = stream.consumer else { continue }
          stream.unreturnedCredit &+= count
          consumer.streamBody(stream, UnsafeRawBufferPointer(rebasing: bytes[start..<(start &+ count)]))
        case .end:
          if reading == .drain {
            becomeIdle(now)
          } else {
            reading = .waiting
            if let stream = live { stream.consumer?.streamEnd(stream, trailers: nil) }
          }
        case .invalid: refuseBody()
        }
      }
    }
  }

  private func beginHead(_ now: MonotonicTime) {
    if hasHeadStarted { return }
    hasHeadStarted = true
    idleDeadline = .distantFuture
    if exchangeCount > 0 { headDeadline = now.advanced(byMs: settings.headDeadlineMs) }
  }

  /// One connection must not own a turn: beyond so many requests at one instant the rest waits for a deadline just after it.
  private func mayDispatch(_ now: MonotonicTime) -> Bool {
    if now != turn {
      turn = now
      turnRequestCount = 0
      resumeDeadline = .distantFuture
    }
    if turnRequestCount < settings.requestsPerTurn { return true }
    resumeDeadline = now.advanced(byMs: 1)
    return false
  }

  private func dispatch(_ bytes: UnsafeRawBufferPointer, _ now: MonotonicTime) {
    let head = parser.makeHead(bytes)
    let framing = parser.framing
    let expectsContinue = parser.expectsContinue && framing != .none
    isHeadMethod = parser.isHeadMethod
    isVersion10 = parser.isVersion10
    closesAfterResponse = parser.wantsClose || isDraining
    parser = HTTP1RequestHeadParser(settings: settings)
    hasHeadStarted = false
    headDeadline = .distantFuture
    turnRequestCount &+= 1
    exchangeCount = exchangeCount == .max ? 1 : exchangeCount &+ 1
    let stream = HTTPStream(id: exchangeCount, carrier: self)
    live = stream
    writing = .awaitingHead
    reader = HTTP1BodyReader(framing)
    reading = framing == .none ? .waiting : .body
    stall.reset()
    stallTick = now.advanced(byMs: stall.tickMs)
    owner.codecDidReceive(head, on: stream, endStream: framing == .none)
    guard live === stream else { return }
    if framing == .none {
      stream.consumer?.streamEnd(stream, trailers: nil)
    } else if expectsContinue, writing == .awaitingHead {
      // We answer the expectation ourselves and never pass it on (S-12).
      pending.append("HTTP/1.1 100 Continue\r\n\r\n")
      owner.codecNeedsFlush()
    }
  }

  private func refuse(_ rejection: HTTP1Rejection) {
    rejection.render(into: &pending, withoutBody: parser.isHeadMethod)
    finish(.protocolError)
  }

  /// An invalid chunk: where the next message begins is unknown, so the connection always ends (S-09).
  private func refuseBody() {
    let isAnswerable = writing == .awaitingHead
    stopReading()
    dropLive(telling: .protocolError)
    if isAnswerable {
      HTTP1Rejection(400, "The chunked body is not valid.").render(into: &pending, withoutBody: isHeadMethod)
    }
    finish(.protocolError)
  }

  /// Waits for the next request.
  func becomeIdle(_ now: MonotonicTime) {
    reading = .head
    headDeadline = .distantFuture
    idleDeadline = now.advanced(byMs: settings.idleDeadlineMs)
    if isDraining, input.isEmpty, !isProcessing { finish(.finished) }
  }
}

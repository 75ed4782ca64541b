import TideCore

/// Bytes in, responses out.
extension HTTP1ClientCodec {
  /// Reads what came from the engine. Never throws: a response that breaks a rule resets its stream and ends the connection.
  public func receive(_ bytes: UnsafeRawBufferPointer, now: MonotonicTime) {
    lastNow = now
    if reading == .stopped || bytes.isEmpty { return }
    isProcessing = true
    if input.isEmpty {
      let used = process(bytes, now)
      if reading != .stopped, used < bytes.count {
        input.append(UnsafeRawBufferPointer(rebasing: bytes[used...]))
      }
    } else {
      input.append(bytes)
      let used = process(input.readableBytes, now)
      if reading != .stopped { input.consume(used) }
    }
    isProcessing = false
    if reading == .stopped { input.removeAll() }
  }

  /// The engine closed its side. Only a body that lasts until then may end so, and only if the end is authentic.
  public func receiveEnd(clean: Bool, now: MonotonicTime) {
    lastNow = now
    switch reading {
    case .stopped: break
    case .idle: abort(.peerGone)
    case .body where clean && reader.endsWithConnection:
      if let stream = live { complete(stream, followedByBytes: false) }
    case .head, .body:
      dropLive(telling: lossReason)
      abort(.truncated)
    }
  }

  private func process(_ bytes: UnsafeRawBufferPointer, _ now: MonotonicTime) -> Int {
    var offset = 0
    while true {
      switch reading {
      case .stopped: return bytes.count
      case .idle:
        // Bytes that nobody asked for would be taken for the answer to the next request.
        if offset < bytes.count { abort(.protocolError) }
        return offset
      case .head:
        let rest = UnsafeRawBufferPointer(rebasing: bytes[offset...])
        if rest.isEmpty { return offset }
        guard hasWritten else {
          fail()
          continue
        }
        if headDeadline == .distantFuture { headDeadline = now.advanced(byMs: settings.headDeadlineMs) }
        switch parser.parse(rest) {
        case .needsMore: return offset
        case .refused: fail()
        case .complete(let count):
          offset &+= count
          takeHead(UnsafeRawBufferPointer(rebasing: rest[0..<count]), followedByBytes: offset < bytes.count)
        }
      case .body:
        switch reader.next(bytes, from: &offset) {
        case .needsMore: return offset
        case .data(let start, let count):
          guard let stream = live, let consumer = stream.consumer else { continue }
          stream.unreturnedCredit &+= count
          consumer.streamBody(stream, UnsafeRawBufferPointer(rebasing: bytes[start..<(start &+ count)]))
        case .end: if let stream = live { complete(stream, followedByBytes: offset < bytes.count) }
        case .invalid: fail()
        }
      }
    }
  }

  private func takeHead(_ bytes: UnsafeRawBufferPointer, followedByBytes: Bool) {
    guard let stream = live else { return }
    let head = parser.makeHead(bytes)
    headDeadline = .distantFuture
    if head.status < 200 {
      interimCount &+= 1
      // No upgrade was asked for, so that 101 is as wrong as an endless run of interim responses.
      guard head.status != 101, interimCount <= settings.interimResponses else { return fail() }
      parser = HTTP1ResponseHeadParser(settings: settings)
      stream.consumer?.streamHead(stream, head, isInterim: true)
      return
    }
    let framing = parser.framing(toHeadRequest: isHeadMethod)
    closesAfterResponse = parser.wantsClose || framing == .untilClose
    reader = HTTP1BodyReader(framing)
    reading = .body
    stream.consumer?.streamHead(stream, head, isInterim: false)
    if framing == .none, live === stream { complete(stream, followedByBytes: followedByBytes) }
  }

  /// The response is whole. The connection stays only if the request is, too, and if nothing follows.
  private func complete(_ stream: HTTPStream, followedByBytes: Bool) {
    let isKept = isRequestWritten && !closesAfterResponse && !followedByBytes && !isDraining
    detach(stream)
    if isKept { reading = .idle } else { stopReading() }
    let consumer = stream.consumer
    stream.consumer = nil
    consumer?.streamEnd(stream, trailers: nil)
    consumer?.streamClosed(stream)
    if !isKept {
      abort(followedByBytes ? .protocolError : .finished)
    } else if reading == .idle {
      owner.codecDidChangeCapacity()
    }
  }

  private func fail() {
    stopReading()
    dropLive(telling: .protocolError)
    abort(.protocolError)
  }
}

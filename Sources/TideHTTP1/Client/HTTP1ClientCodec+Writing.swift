import TideCore

/// Requests in, bytes out.
extension HTTP1ClientCodec {
  /// Begins a request; nil while one is running and once the connection is not to be used again.
  ///
  /// Framing comes from `head.contentLength`, or is chunked when that is nil and a body follows.
  public func open(
    _ head: RequestHead, endStream: Bool, consumer: StreamConsumer, now: MonotonicTime
  ) -> HTTPStream? {
    lastNow = now
    guard availableStreams > 0 else { return nil }
    var framing = HTTP1Framing.none
    var announcedLength: Int?
    if endStream {
      // RFC 9110 section 8.6: methods that usually have content say that there is none.
      if head.method == "POST" || head.method == "PUT" || head.method == "PATCH" { announcedLength = 0 }
    } else if let length = head.contentLength {
      framing = length > 0 ? .fixed(length) : .none
      announcedLength = length
    } else {
      framing = .chunked
    }
    exchangeCount = exchangeCount == .max ? 1 : exchangeCount &+ 1
    let stream = HTTPStream(id: exchangeCount, carrier: self)
    stream.consumer = consumer
    stream.isHeadSent = true
    if endStream { stream.outputEnd = .ended }
    HTTP1HeadWriter.writeRequest(head, framing: framing, announcedLength: announcedLength, into: &pending)
    writer = HTTP1BodyWriter(framing)
    hasWritten = false
    isRequestWritten = false
    isHeadMethod = head.method == "HEAD"
    closesAfterResponse = false
    interimCount = 0
    parser = HTTP1ResponseHeadParser(settings: settings)
    reading = .head
    live = stream
    stall.reset()
    stallTick = now.advanced(byMs: stall.tickMs)
    owner.codecNeedsFlush()
    return stream
  }

  func noteOutput(of stream: HTTPStream) {
    if stream === live { owner.codecNeedsFlush() }
  }

  func giveCredit(_ byteCount: Int, to stream: HTTPStream) {
    // The flush lets the connection see that reading may go on.
    if stream === live { owner.codecNeedsFlush() }
  }

  /// Abandons the request: the connection ends with it, since the rest of the answer is still to come on it.
  func cancel(_ stream: HTTPStream, _ reason: StreamReset) {
    guard stream === live else { return }
    detach(stream)
    abort(.finished)
  }

  /// Writes what can leave into `buffer` and returns how many bytes that is. Called until it returns 0.
  public func produce(into buffer: UnsafeMutableRawBufferPointer, now: MonotonicTime) -> Int {
    lastNow = now
    // A chunk needs room for its frame: a caller with a tiny buffer gets it piece by piece.
    if spill.isEmpty {
      if buffer.count >= 512 { return fill(buffer, now) }
      withUnsafeTemporaryAllocation(byteCount: 512, alignment: 1) { room in
        let count = fill(room, now)
        spill.append(UnsafeRawBufferPointer(rebasing: room[0..<count]))
      }
    }
    return spill.move(into: buffer)
  }

  private func fill(_ buffer: UnsafeMutableRawBufferPointer, _ now: MonotonicTime) -> Int {
    isProducing = true
    defer { isProducing = false }
    var offset = pending.move(into: buffer)
    if offset > 0 { hasWritten = true }
    guard pending.isEmpty, let stream = live, !isRequestWritten else {
      if offset == 0, let closing { signalClose(closing) }
      return offset
    }
    var taken = 0
    let outcome = writer.write(stream, into: buffer, at: &offset, taken: &taken)
    switch outcome {
    case .open: break
    case .finished: isRequestWritten = true
    case .broken:
      dropLive(telling: .internalError)
      abort(.finished)
      return offset
    }
    if taken > 0 {
      stall.took(taken, isEmpty: stream.output.isEmpty)
      stream.lastProgress = now
      stream.takenByteCount &+= UInt64(taken)
      stream.consumer?.streamTaken(stream, byteCount: taken)
    }
    return offset
  }
}

import TideCore

/// Responses in, bytes out.
extension HTTP1ServerCodec {
  func write(_ head: ResponseHead, endStream: Bool, on stream: HTTPStream) {
    guard stream === live, writing == .awaitingHead else { return }
    if head.status < 200 {
      // 101 would hand the connection to another protocol (S-13), and HTTP/1.0 knows no interim responses.
      guard head.status >= 100, head.status != 101, !isVersion10 else { return }
      HTTP1HeadWriter.writeResponse(head, framing: .none, announcedLength: nil, closes: false, into: &pending)
      return owner.codecNeedsFlush()
    }
    let isDiscarded = isHeadMethod || HTTP1Framing.isBodyless(head.status)
    var framing = HTTP1Framing.none
    var announcedLength: Int?
    if isDiscarded {
      announcedLength = head.status == 204 ? nil : head.contentLength
    } else if endStream {
      announcedLength = 0
    } else if let length = head.contentLength {
      framing = length > 0 ? .fixed(length) : .none
      announcedLength = length
    } else if isVersion10 {
      framing = .untilClose
      closesAfterResponse = true
    } else {
      framing = .chunked
    }
    // An early response: a short rest of the request is read and dropped afterwards, a long or unknown one is not (S-11).
    if reading == .body, (reader.remaining ?? .max) > settings.drainBytes { closesAfterResponse = true }
    if isDraining { closesAfterResponse = true }
    HTTP1HeadWriter.writeResponse(
      head, framing: framing, announcedLength: announcedLength, closes: closesAfterResponse, into: &pending)
    writer = HTTP1BodyWriter(framing, isDiscarded: isDiscarded)
    writing = .body
    stream.isHeadSent = true
    if endStream, stream.outputEnd == .open { stream.outputEnd = .ended }
    owner.codecNeedsFlush()
  }

  func noteOutput(of stream: HTTPStream) {
    if stream === live { owner.codecNeedsFlush() }
  }

  func giveCredit(_ byteCount: Int, to stream: HTTPStream) {
    // The flush lets the connection see that reading may go on.
    if stream === live, reading == .body { owner.codecNeedsFlush() }
  }

  /// The response will never be complete. HTTP/1.1 has one word for that: the connection ends without the last chunk.
  func cancel(_ stream: HTTPStream, _ reason: StreamReset) {
    guard stream === live else { return }
    if writing == .awaitingHead {
      pending.removeAll()
      closesAbruptly = true
    }
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
    var offset = 0
    while true {
      if live == nil { advance(now) }
      if !pending.isEmpty {
        offset &+= pending.move(into: UnsafeMutableRawBufferPointer(rebasing: buffer[offset...]))
        if !pending.isEmpty { return offset }
      }
      guard let stream = live, writing == .body else {
        // Signalled only once all that was yielded has been accepted, so that the owner can close without losing a byte.
        if offset == 0, live == nil, let closing { signalClose(closing) }
        return offset
      }
      var taken = 0
      let outcome = writer.write(stream, into: buffer, at: &offset, taken: &taken)
      if taken > 0 {
        stall.took(taken, isEmpty: stream.output.isEmpty)
        stream.lastProgress = now
        stream.takenByteCount &+= UInt64(taken)
        stream.consumer?.streamTaken(stream, byteCount: taken)
        guard live === stream else { return offset }
      }
      switch outcome {
      case .open: return offset
      case .finished: complete(stream, now)
      case .broken:
        dropLive(telling: .internalError)
        abort(.finished)
        return offset
      }
    }
  }

  /// The response is whole. With its request it ends the exchange; ahead of its request, too: the rest is dropped.
  private func complete(_ stream: HTTPStream, _ now: MonotonicTime) {
    writing = .nothing
    detach(stream)
    if closesAfterResponse {
      finish(.finished)
    } else if reading == .body {
      reading = .drain
      headDeadline = now.advanced(byMs: settings.headDeadlineMs)
    } else {
      becomeIdle(now)
    }
    let consumer = stream.consumer
    stream.consumer = nil
    consumer?.streamClosed(stream)
  }
}

import TideCore
import TideHTTP2
import TideIO

/// A connection that speaks HTTP/2: as much of RFC 9113 as a client needs that opens streams and reads them.
///
/// A session of `TideHTTP2` would do, and costs several times as much for a token: this client shares its machine with what it
/// measures, so that it keeps no table of headers, no priorities and no defences, and looks at a frame once.
final class HTTP2BenchConnection: BenchConnection {
  /// What a stream and the connection may hold; returned when half of it is used up, so that updates are rare.
  private static let streamWindow = 1 << 20
  private static let connectionWindow = 16 << 20
  private static let blockLimit = 256 << 10
  /// Answers to PING and SETTINGS that a peer may leave unread.
  private static let outputLimit = 1 << 20
  /// RFC 9113 section 6.9.1.
  private static let windowLimit = 0x7fff_ffff
  private static let cancel: UInt32 = 8

  /// A stream that is open on the wire, at the position of its `BenchStream` on this connection; `id` is 0 when there is none.
  private struct Entry {
    var id: Int32 = 0
    var unreturned = 0
    /// Bytes of the request's body that have left, and how many more the peer takes.
    var sentByteCount = 0
    var sendWindow = 0
    /// One of the connection's `streams`, reached without counting references.
    unowned(unsafe) var stream: BenchStream
  }

  private var reader = FrameReader()
  private var output = ByteQueue()
  private var entries: [Entry]
  /// Where a stream is, for those that are not found where the last one was.
  private var positions: [Int32: Int] = [:]
  /// Tokens come to streams in turn: the next frame is mostly for the same stream or the one after it.
  private var hint = 0
  private var openCount = 0
  private var nextID: Int32 = 1
  private var announcedLimit = 100
  private var hasSettings = false
  private var isDraining = false
  private var unreturned = 0
  private var sendWindow = 65_535
  private var initialSendWindow = 65_535
  private var sendLimit = FrameHeader.payloadLimit
  /// A header block that continues in further frames, and whose it is.
  private var block: [UInt8] = []
  private var blockStream: Int32 = 0
  private var blockEndsStream = false

  override init(owner: BenchWorker, slot: Int, streams: [BenchStream], source: SocketAddress?) {
    entries = streams.map { Entry(stream: $0) }
    super.init(owner: owner, slot: slot, streams: streams, source: source)
  }

  override var hasRoom: Bool { hasOpened && isOpen && !isDraining && openCount < announcedLimit && nextID < .max - 2 }
  override var streamLimit: Int { announcedLimit }

  override func begin() {
    FrameWriter.writePreface(
      streamWindow: Self.streamWindow, connectionWindow: Self.connectionWindow, into: &output)
    setNeedsFlush()
  }

  override func open(_ stream: BenchStream) {
    let position = stream.position
    entries[position] = Entry(id: nextID, sendWindow: initialSendWindow, stream: stream)
    if entries.count > 1 { positions[nextID] = position }
    nextID += 2
    openCount += 1
    FrameWriter.writeHeaders(stream: entries[position].id, block: owner.request.block, into: &output)
    sendBody(position)
    setNeedsFlush()
  }

  override func cancel(_ stream: BenchStream) {
    let id = entries[stream.position].id
    guard id != 0 else { return }
    forget(stream.position)
    FrameWriter.writeReset(stream: id, code: Self.cancel, into: &output)
    setNeedsFlush()
  }

  override func connectionProduce(into buffer: UnsafeMutableRawBufferPointer) -> Int { output.move(into: buffer) }

  override func endStreams(_ failure: BenchFailure) {
    for position in entries.indices where entries[position].id != 0 {
      forget(position)
      streams[position].fail(failure)
    }
  }

  // MARK: Frames

  override func receive(_ bytes: UnsafeRawBufferPointer) {
    var offset = 0
    while isOpen {
      switch reader.next(bytes, from: &offset) {
      case .needsMore: return
      case .data(let id, let payload, let isEnd):
        guard blockStream == 0 else { return violate("an interrupted head") }
        receiveData(id, payload, padding: 0, isEnd: isEnd)
      case .frame(let header, let payload): receive(header, payload)
      case .tooLarge(let header): refuse(header)
      }
    }
  }

  @inline(__always)
  private func receiveData(_ id: Int32, _ payload: UnsafeRawBufferPointer, padding: Int, isEnd: Bool) {
    unreturned &+= payload.count &+ padding
    if unreturned >= Self.connectionWindow / 2 {
      FrameWriter.writeWindowUpdate(stream: 0, by: unreturned, into: &output)
      unreturned = 0
      setNeedsFlush()
    }
    guard let position = position(of: id) else { return checkWasOpen(id) }
    entries[position].unreturned &+= payload.count &+ padding
    if payload.count > 0 { entries[position].stream.receive(payload, at: owner.readAt) }
    if isEnd { return end(position) }
    if entries[position].unreturned >= Self.streamWindow / 2 {
      FrameWriter.writeWindowUpdate(stream: id, by: entries[position].unreturned, into: &output)
      entries[position].unreturned = 0
      setNeedsFlush()
    }
  }

  @inline(__always)
  private func position(of id: Int32) -> Int? {
    // Stream 0 is the connection, and the id of those that are not open.
    if entries[hint].id == id { return id > 0 ? hint : nil }
    let next = hint &+ 1 == entries.count ? 0 : hint &+ 1
    if entries[next].id == id, id > 0 {
      hint = next
      return next
    }
    guard let found = positions[id] else { return nil }
    hint = found
    return found
  }

  private func receive(_ header: FrameHeader, _ payload: UnsafeRawBufferPointer) {
    guard blockStream == 0 || header.kind == FrameHeader.Kind.continuation else {
      return violate("an interrupted head")
    }
    switch header.kind {
    case FrameHeader.Kind.settings, FrameHeader.Kind.ping, FrameHeader.Kind.goaway:
      guard header.stream == 0 else { return violate("a frame of the connection on stream \(header.stream)") }
    default: break
    }
    switch header.kind {
    case FrameHeader.Kind.data:
      guard let inner = withoutPadding(header, payload) else { return }
      receiveData(
        header.stream, inner, padding: payload.count - inner.count, isEnd: header.has(FrameHeader.Flag.endStream))
    case FrameHeader.Kind.headers: receiveHeaders(header, payload)
    case FrameHeader.Kind.continuation:
      guard blockStream != 0, header.stream == blockStream else { return violate("a continuation of nothing") }
      continueBlock(header, payload)
    case FrameHeader.Kind.reset: receiveReset(header, payload)
    case FrameHeader.Kind.settings: receiveSettings(header, payload)
    case FrameHeader.Kind.ping:
      guard payload.count == 8 else { return violate("a PING of \(payload.count) bytes") }
      guard !header.has(FrameHeader.Flag.acknowledgement) else { return }
      FrameWriter.writePong(payload, into: &output)
      flushAnswer()
    case FrameHeader.Kind.goaway: receiveGoaway(payload)
    case FrameHeader.Kind.windowUpdate: receiveWindowUpdate(header, payload)
    case FrameHeader.Kind.pushPromise: violate("a push that was not allowed")
    default: break
    }
  }

  private func receiveHeaders(_ header: FrameHeader, _ payload: UnsafeRawBufferPointer) {
    guard var inner = withoutPadding(header, payload) else { return }
    if header.has(FrameHeader.Flag.priority) {
      guard inner.count >= 5 else { return violate("a head without its priority") }
      inner = UnsafeRawBufferPointer(rebasing: inner[5...])
    }
    blockStream = header.stream
    blockEndsStream = header.has(FrameHeader.Flag.endStream)
    if header.has(FrameHeader.Flag.endHeaders) {
      endBlock(inner)
    } else {
      block.append(contentsOf: inner)
    }
  }

  private func continueBlock(_ header: FrameHeader, _ payload: UnsafeRawBufferPointer) {
    block.append(contentsOf: payload)
    guard block.count <= Self.blockLimit else { return violate("a head of more than 256 KiB") }
    guard header.has(FrameHeader.Flag.endHeaders) else { return }
    let whole = block
    block = []
    whole.withUnsafeBytes { endBlock($0) }
  }

  private func endBlock(_ bytes: UnsafeRawBufferPointer) {
    let id = blockStream
    blockStream = 0
    guard let status = owner.inflater.status(of: bytes) else { return violate("a head that RFC 7541 does not allow") }
    guard let position = position(of: id) else { return checkWasOpen(id) }
    if status != 0 { streams[position].receive(status: status) }
    if blockEndsStream { end(position) }
  }

  private func receiveReset(_ header: FrameHeader, _ payload: UnsafeRawBufferPointer) {
    guard payload.count == 4 else { return violate("a RST_STREAM of \(payload.count) bytes") }
    guard let position = position(of: header.stream) else { return checkWasOpen(header.stream) }
    forget(position)
    streams[position].fail(BenchFailure(.reset, "RST_STREAM with \(Self.name(of: Self.number(payload)))"))
  }

  private func receiveSettings(_ header: FrameHeader, _ payload: UnsafeRawBufferPointer) {
    if header.has(FrameHeader.Flag.acknowledgement) { return }
    guard payload.count % 6 == 0 else { return violate("SETTINGS of \(payload.count) bytes") }
    // No figure in the first means no limit (RFC 9113 section 6.5.2); the hundred of before was a guess.
    if !hasSettings { announcedLimit = .max }
    hasSettings = true
    for start in stride(from: 0, to: payload.count, by: 6) {
      let value = Int(Self.number(UnsafeRawBufferPointer(rebasing: payload[(start + 2)..<(start + 6)])))
      switch (payload[start], payload[start + 1]) {
      case (0, 3): announcedLimit = value
      case (0, 4):
        guard value <= Self.windowLimit else { return violate("a window of \(value) bytes") }
        for position in entries.indices { entries[position].sendWindow += value - initialSendWindow }
        initialSendWindow = value
      case (0, 5): sendLimit = min(max(value, FrameHeader.payloadLimit), 1 << 20)
      default: break
      }
    }
    FrameWriter.writeSettingsAcknowledgement(into: &output)
    sendBodies()
    flushAnswer()
    if hasRoom { owner.connectionHasRoom(self) }
  }

  private func receiveWindowUpdate(_ header: FrameHeader, _ payload: UnsafeRawBufferPointer) {
    guard payload.count == 4 else { return violate("a WINDOW_UPDATE of \(payload.count) bytes") }
    let count = Int(Self.number(payload) & 0x7fff_ffff)
    if header.stream == 0 {
      sendWindow += count
      guard sendWindow <= Self.windowLimit else { return violate("a window of \(sendWindow) bytes") }
      sendBodies()
    } else if let position = position(of: header.stream) {
      entries[position].sendWindow += count
      let window = entries[position].sendWindow
      guard window <= Self.windowLimit else { return violate("a window of \(window) bytes") }
      sendBody(position)
    } else {
      checkWasOpen(header.stream)
    }
  }

  /// No new streams. Those that the peer has not looked at are opened again on another connection, unless the peer complains.
  private func receiveGoaway(_ payload: UnsafeRawBufferPointer) {
    guard payload.count >= 8 else { return violate("a GOAWAY of \(payload.count) bytes") }
    isDraining = true
    let last = Int32(
      truncatingIfNeeded: Self.number(UnsafeRawBufferPointer(rebasing: payload[0..<4])) & 0x7fff_ffff)
    let code = Self.number(UnsafeRawBufferPointer(rebasing: payload[4..<8]))
    for position in entries.indices where entries[position].id > last {
      forget(position)
      if code == 0 {
        streams[position].withdraw()
      } else {
        streams[position].fail(BenchFailure(.reset, "GOAWAY with \(Self.name(of: code))"))
      }
    }
    if openCount == 0 { close() }
  }

  // MARK: Streams

  /// END_STREAM has come. A peer that answers before it has the whole request does not want the rest.
  private func end(_ position: Int) {
    let id = entries[position].id
    if entries[position].sentByteCount < owner.request.body.count {
      FrameWriter.writeReset(stream: id, code: 0, into: &output)
      setNeedsFlush()
    }
    forget(position)
    streams[position].finish()
    if isDraining, openCount == 0, isOpen { close() }
  }

  private func forget(_ position: Int) {
    if entries.count > 1 { positions[entries[position].id] = nil }
    entries[position] = Entry(stream: streams[position])
    openCount -= 1
  }

  private func sendBodies() {
    let count = owner.request.body.count
    for position in entries.indices where entries[position].id != 0 && entries[position].sentByteCount < count {
      sendBody(position)
    }
  }

  /// Sends as much of the body as the windows allow.
  private func sendBody(_ position: Int) {
    owner.request.body.withUnsafeBytes { body in
      while entries[position].sentByteCount < body.count {
        let start = entries[position].sentByteCount
        let count = min(body.count - start, sendLimit, sendWindow, entries[position].sendWindow)
        guard count > 0 else { return }
        let end = start + count
        FrameWriter.writeData(
          stream: entries[position].id, UnsafeRawBufferPointer(rebasing: body[start..<end]), isEnd: end == body.count,
          into: &output)
        entries[position].sentByteCount = end
        entries[position].sendWindow -= count
        sendWindow -= count
        setNeedsFlush()
      }
    }
  }

  // MARK: Faults

  /// Frames of a stream that has ended may have been under way; those of one that never was may not.
  private func checkWasOpen(_ id: Int32) {
    if id & 1 == 0 || id >= nextID { violate("a frame of stream \(id), which was not opened") }
  }

  private func flushAnswer() {
    guard output.byteCount <= Self.outputLimit else {
      return violate("more PING and SETTINGS than it reads answers to")
    }
    setNeedsFlush()
  }

  private func withoutPadding(_ header: FrameHeader, _ payload: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    guard header.has(FrameHeader.Flag.padded) else { return payload }
    guard let padding = payload.first, Int(padding) < payload.count else {
      violate("more padding than frame")
      return nil
    }
    return UnsafeRawBufferPointer(rebasing: payload[1..<(payload.count - Int(padding))])
  }

  /// `HTT` in place of a length is how a server begins that knows HTTP/1.1 only.
  private func refuse(_ header: FrameHeader) {
    if header.length == 0x48_5454 {
      breakOff(BenchFailure(.protocol, "the target speaks HTTP/1.1 here, not HTTP/2"))
    } else {
      violate("a frame of \(header.length) bytes")
    }
  }

  private func violate(_ what: String) {
    breakOff(BenchFailure(.protocol, "the target broke HTTP/2: \(what)"))
  }

  private static func number(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self))
  }

  /// Error codes as RFC 9113 section 7 names them.
  private static func name(of code: UInt32) -> String {
    let names = [
      "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
      "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
      "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
    ]
    return Int(code) < names.count ? names[Int(code)] : "code \(code)"
  }
}

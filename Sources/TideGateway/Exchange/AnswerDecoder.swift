import TideCoding
import TideCore

/// Undoes the content coding of an upstream's answer that the gateway has to read: takes the exchange's place as consumer of both its
/// streams, and hands it the answer as if it had come plain.
///
/// An answer without a coding never meets it. It decodes no further than the exchange has use for the text: what is coded stays here, and
/// its credit with it, while a policy waits or the client has not read, so that what a few bytes expand to lies nowhere.
final class AnswerDecoder: StreamConsumer {
  /// How the upstream's stream ended; told once all before it has been handed on.
  private enum Ending {
    case whole
    case reset(StreamReset)
  }

  private static let blockByteCount = 16 << 10

  let coding: ContentCoding
  private let exchange: Exchange
  /// nil when it ended before the answer began, while a policy waited.
  private let upstream: HTTPStream?
  private var decoder: ContentDecoder
  private let block = UnsafeMutableRawBufferPointer.allocate(byteCount: blockByteCount, alignment: 16)
  /// What came and has not been decoded.
  private var coded = ByteQueue()
  private var ending: Ending?
  private var isRunning = false
  private var isStopped = false

  init(_ coding: ContentCoding, limits: DecodingLimits, for exchange: Exchange) {
    self.coding = coding
    self.exchange = exchange
    upstream = exchange.upstream
    decoder = ContentDecoder(coding, limits: limits)
  }

  deinit { block.deallocate() }

  /// Bytes that wait to be decoded: their credit is not the exchange's to return.
  var codedByteCount: Int { coded.byteCount }

  /// Takes the exchange's place, and over what came before the answer began.
  func start() {
    if upstream?.consumer === exchange { upstream?.consumer = self }
    exchange.downstream.consumer = self
    coded.append(exchange.held.readableBytes)
    exchange.held = ByteQueue()
    if exchange.isUpstreamComplete { ending = .whole }
    if let reason = exchange.heldReset { ending = .reset(reason) }
    exchange.isUpstreamComplete = false
    exchange.heldReset = nil
  }

  /// Gives the exchange its place back. What has not been decoded is of no use to anybody.
  func stop() {
    isStopped = true
    if exchange.downstream.consumer === self { exchange.downstream.consumer = exchange }
    if let upstream, upstream.consumer === self {
      upstream.consumer = exchange
      upstream.returnCredit(coded.byteCount)
    }
    coded.removeAll()
  }

  /// Decodes as far as the exchange takes it.
  func goOn() {
    guard !isRunning else { return }
    isRunning = true
    defer { isRunning = false }
    while !isStopped, exchange.takesDecodedText {
      var rest = coded.readableBytes
      let before = rest.count
      let step = decoder.decode(&rest, into: block)
      coded.consume(before - rest.count)
      switch step {
      case .block(let count): exchange.take(UnsafeRawBufferPointer(rebasing: block[..<count]))
      case .failed(let failure): return exchange.answerIsUndecodable(failure, coding)
      case .needsInput:
        if let ending { return tell(ending) }
        // Bytes that gave no text have nobody else to return their credit.
        if let upstream, upstream.unreturnedCredit >= Exchange.creditStep { exchange.returnUpstreamCredit() }
        return
      }
    }
  }

  private func tell(_ ending: Ending) {
    switch ending {
    case .whole:
      if let failure = decoder.failureAtEnd() { return exchange.answerIsUndecodable(failure, coding) }
      exchange.stopDecoding()
      exchange.upstreamDidEnd()
    case .reset(let reason):
      exchange.stopDecoding()
      exchange.upstreamDidReset(reason)
    }
  }

  // MARK: Stream events

  override func streamHead(_ stream: HTTPStream, _ head: ResponseHead, isInterim: Bool) {
    exchange.streamHead(stream, head, isInterim: isInterim)
  }

  override func streamBody(_ stream: HTTPStream, _ bytes: UnsafeRawBufferPointer) {
    guard stream === upstream, !isStopped else { return exchange.streamBody(stream, bytes) }
    exchange.codedBytesCame(bytes.count)
    coded.append(bytes)
    goOn()
  }

  override func streamEnd(_ stream: HTTPStream, trailers: HeaderList?) {
    guard stream === upstream, !isStopped else { return exchange.streamEnd(stream, trailers: trailers) }
    ending = .whole
    goOn()
  }

  override func streamReset(_ stream: HTTPStream, _ reason: StreamReset) {
    guard stream === upstream, !isStopped else { return exchange.streamReset(stream, reason) }
    ending = .reset(reason)
    goOn()
  }

  override func streamTaken(_ stream: HTTPStream, byteCount: Int) {
    exchange.streamTaken(stream, byteCount: byteCount)
    if !isStopped, stream === exchange.downstream { goOn() }
  }

  override func streamClosed(_ stream: HTTPStream) { exchange.streamClosed(stream) }
}

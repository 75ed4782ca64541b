/// One request and its response on one connection, seen from this process: an HTTP/2 stream, or one exchange in turn on an
/// HTTP/1.1 connection. The codec that carries it and the consumer that uses it meet here.
///
/// Owned by its connection's worker. The codec fills nothing in but `consumer`'s events; the consumer appends to `output`
/// and tells the carrier through the methods below. The codec *pulls* from `output` when its connection is flushed.
public final class HTTPStream {
  /// How this side's sending ends.
  public enum OutputEnd { case open, ended, endedWithTrailers }

  /// The HTTP/2 stream identifier; on HTTP/1.1 the ordinal of the exchange on its connection, from 1.
  public let id: Int32
  /// What carries this stream; nil once the stream is closed on the wire or its connection is gone. Not retained, and so named without a
  /// reference count: a carrier outlives the streams that name it, since it takes itself out of them before it goes.
  public var carrier: Unmanaged<StreamCarrier>?
  /// Who is told of events; nil until somebody has taken the stream, and again when they have let go.
  public var consumer: StreamConsumer? {
    didSet { consumerAddress = consumer.map { UnsafeRawPointer(Unmanaged.passUnretained($0).toOpaque()) } }
  }
  /// The address of `consumer`, for those who fetch it into the cache before it is there: to take the reference would be to count it, and so to wait
  /// for its memory. Valid for as long as `consumer` is.
  public private(set) var consumerAddress: UnsafeRawPointer?
  /// Body bytes that wait for the codec. The consumer keeps it under its relay limit.
  public var output = ByteQueue()
  public var outputEnd = OutputEnd.open
  /// Sent after the body when `outputEnd` is `.endedWithTrailers`.
  public var outputTrailers: HeaderList?
  /// Body bytes received whose credit the consumer has not returned yet.
  public var unreturnedCredit = 0
  /// Whether the head of what this side sends has been submitted to the codec.
  public var isHeadSent = false
  /// Whether the codec has been told to wait for more output (HTTP/2: the data source is deferred).
  public var isOutputDeferred = false
  /// The last instant at which the codec took output from this stream, for the stall rule; the codec keeps it.
  public var lastProgress = MonotonicTime.zero
  /// Bytes the codec took since `lastProgress` was set by the stall rule's owner.
  public var takenByteCount: UInt64 = 0
  /// The carrier's own notes on this stream; nobody else writes these seven.
  public var carrierFlags: UInt32 = 0
  /// Bytes taken in the current `produce` whose `streamTaken` is still to come.
  public var carrierTaken: UInt32 = 0
  /// Body bytes that the peer announced and has not sent yet; -1 when it announced none.
  public var carrierAwaited = -1
  /// Where the carrier keeps this stream in its list.
  public var carrierPosition = 0
  /// HTTP/2: bytes of `output` that the peer lets us send; negative once it has taken room back.
  public var carrierWindow = 0
  /// HTTP/2: body bytes that the carrier counts itself and whose credit has not been returned; those returned and not announced.
  public var carrierReceived: Int32 = 0
  public var carrierReturned: Int32 = 0

  /// Bytes of a stream in memory: what is fetched of one.
  public static let byteCount = 184

  public init(id: Int32, carrier: StreamCarrier) {
    self.id = id
    self.carrier = .passUnretained(carrier)
  }

  // What the consumer does. Each is legal at any time and does nothing once the stream is closed.

  /// Sends an interim (1xx) or the final response head. `endStream` when no body follows.
  public func send(_ head: ResponseHead, endStream: Bool) {
    carrier?._withUnsafeGuaranteedRef { $0.send(head, endStream: endStream, on: self) }
  }

  /// Tells the codec that `output` or `outputEnd` changed. Sends nothing by itself: the connection is flushed at the end of the turn.
  @inline(__always)
  public func outputChanged() { carrier?._withUnsafeGuaranteedRef { $0.outputChanged(self) } }

  /// Ends what this side sends, after what `output` holds.
  public func end(trailers: HeaderList? = nil) {
    guard outputEnd == .open else { return }
    outputEnd = trailers == nil ? .ended : .endedWithTrailers
    outputTrailers = trailers
    outputChanged()
  }

  /// Gives the peer room for `byteCount` more body bytes. Call when the bytes have gone to the other side.
  public func returnCredit(_ byteCount: Int) {
    guard byteCount > 0 else { return }
    unreturnedCredit -= byteCount
    carrier?._withUnsafeGuaranteedRef { $0.returnCredit(byteCount, on: self) }
  }

  /// Abandons the stream: RST_STREAM with the reason's code on HTTP/2, a closed connection on HTTP/1.1. The consumer
  /// hears nothing more.
  public func reset(_ reason: StreamReset) {
    consumer = nil
    carrier?._withUnsafeGuaranteedRef { $0.reset(self, reason) }
  }
}

/// Why a stream ended before its time.
public enum StreamReset: Sendable, Equatable, BitwiseCopyable {
  /// Nobody wants the answer any more (CANCEL).
  case cancelled
  /// The peer left: RST_STREAM(CANCEL), end of connection, or an error while reading or writing.
  case peerGone
  /// The server did not look at the request, a retry is safe (REFUSED_STREAM, or above GOAWAY's last identifier).
  case refused
  /// The peer broke the protocol.
  case protocolError
  /// A limit of ours: stall rule, flood, oversized head.
  case enhanceYourCalm
  /// An error of ours, or of the far side of the exchange after the head.
  case internalError
  /// Another RST_STREAM code, as received.
  case peerCode(UInt32)

  /// The code of RFC 9113 section 7.
  public var http2Code: UInt32 {
    switch self {
    case .cancelled, .peerGone: 0x8
    case .refused: 0x7
    case .protocolError: 0x1
    case .enhanceYourCalm: 0xb
    case .internalError: 0x2
    case .peerCode(let code): code
    }
  }
}

/// What a codec does for a stream. One call per exchange or flush, never per byte.
///
/// A base class rather than a protocol, because a stream names its carrier without a reference count, which only classes allow; the
/// codecs override everything.
open class StreamCarrier {
  public init() {}

  open func send(_ head: ResponseHead, endStream: Bool, on stream: HTTPStream) {}
  open func outputChanged(_ stream: HTTPStream) {}
  open func returnCredit(_ byteCount: Int, on stream: HTTPStream) {}
  open func reset(_ stream: HTTPStream, _ reason: StreamReset) {}
}

/// Who uses streams: the gateway's exchange, the embedded engine's answer, the load client's request.
///
/// A base class rather than a protocol, because `streamBody` runs for every DATA frame and a class call is the cheapest that
/// can cross modules. Events come on the worker's thread, in the order of the wire, and none comes after `streamReset`.
open class StreamConsumer {
  public init() {}

  /// A response head on a stream this side opened. Interim (1xx) heads come with `isInterim`.
  open func streamHead(_ stream: HTTPStream, _ head: ResponseHead, isInterim: Bool) {}
  /// Body bytes. Valid inside the call only. Each byte counts against the stream's credit until `returnCredit`.
  open func streamBody(_ stream: HTTPStream, _ bytes: UnsafeRawBufferPointer) {}
  /// Body bytes come soon: what they will touch can be fetched into the cache (CPrefetch). Nothing may be changed here, and nothing
  /// be counted on: the call may come twice, or never.
  open func bodyIsNear(_ distance: BodyDistance) {}
  /// The peer has sent everything.
  open func streamEnd(_ stream: HTTPStream, trailers: HeaderList?) {}
  /// The stream is over, both ways, without its proper end.
  open func streamReset(_ stream: HTTPStream, _ reason: StreamReset) {}
  /// A flush took `byteCount` bytes of `stream.output`. When the output has ended and is all taken, this is its last event.
  open func streamTaken(_ stream: HTTPStream, byteCount: Int) {}
  /// Both directions ended properly and the codec has forgotten the stream.
  open func streamClosed(_ stream: HTTPStream) {}
}

/// How near a body part is that has been seen coming.
public enum BodyDistance: Sendable, BitwiseCopyable {
  /// Some parts of other streams come first. The consumer's own fields are in the cache.
  case soon
  /// Few do. What was fetched at `soon` is there.
  case next
}

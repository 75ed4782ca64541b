import TideCore
import TideHTTP1
import TideHTTP2

/// What reads and writes one connection. A closed choice, so that a call is a switch and not a table.
///
/// Names its codec without a reference count, which a look at it would otherwise cost several times a token: `HTTPConnection` holds the
/// codec for as long as it names it here.
enum HTTPCodec {
  case undecided
  case http1Server(Unmanaged<HTTP1ServerCodec>)
  case http1Client(Unmanaged<HTTP1ClientCodec>)
  case http2(Unmanaged<HTTP2Session>)

  @inline(__always)
  func receive(_ bytes: UnsafeRawBufferPointer, now: MonotonicTime) {
    switch self {
    case .undecided: break
    case .http1Server(let codec): codec._withUnsafeGuaranteedRef { $0.receive(bytes, now: now) }
    case .http1Client(let codec): codec._withUnsafeGuaranteedRef { $0.receive(bytes, now: now) }
    case .http2(let session): session._withUnsafeGuaranteedRef { $0.receive(bytes, now: now) }
    }
  }

  func receiveEnd(clean: Bool, now: MonotonicTime) {
    switch self {
    case .undecided: break
    case .http1Server(let codec): codec._withUnsafeGuaranteedRef { $0.receiveEnd(clean: clean, now: now) }
    case .http1Client(let codec): codec._withUnsafeGuaranteedRef { $0.receiveEnd(clean: clean, now: now) }
    case .http2(let session): session._withUnsafeGuaranteedRef { $0.receiveEnd(clean: clean, now: now) }
    }
  }

  @inline(__always)
  func produce(into buffer: UnsafeMutableRawBufferPointer, now: MonotonicTime) -> Int {
    switch self {
    case .undecided: 0
    case .http1Server(let codec): codec._withUnsafeGuaranteedRef { $0.produce(into: buffer, now: now) }
    case .http1Client(let codec): codec._withUnsafeGuaranteedRef { $0.produce(into: buffer, now: now) }
    case .http2(let session): session._withUnsafeGuaranteedRef { $0.produce(into: buffer, now: now) }
    }
  }

  /// Fetches what `produce` will touch, in steps as `connectionPrefetch` gets them. The codecs of HTTP/1.1 leave it to the processor.
  @inline(__always)
  func prefetch(_ step: Int) {
    if case .http2(let session) = self { HTTP2Session.prefetch(session, step) }
  }

  /// Whether the last `produce` is known to have written all there was. The codecs of HTTP/1.1 do not say.
  @inline(__always)
  var isDrained: Bool {
    switch self {
    case .undecided, .http1Server, .http1Client: false
    case .http2(let session): session._withUnsafeGuaranteedRef { $0.isDrained }
    }
  }

  func deadlineReached(now: MonotonicTime) {
    switch self {
    case .undecided: break
    case .http1Server(let codec): codec._withUnsafeGuaranteedRef { $0.deadlineReached(now: now) }
    case .http1Client(let codec): codec._withUnsafeGuaranteedRef { $0.deadlineReached(now: now) }
    case .http2(let session): session._withUnsafeGuaranteedRef { $0.deadlineReached(now: now) }
    }
  }

  func shutdown(now: MonotonicTime) {
    switch self {
    case .undecided: break
    case .http1Server(let codec): codec._withUnsafeGuaranteedRef { $0.shutdown(now: now) }
    case .http1Client(let codec): codec._withUnsafeGuaranteedRef { $0.shutdown(now: now) }
    case .http2(let session): session._withUnsafeGuaranteedRef { $0.shutdown(now: now) }
    }
  }

  func terminate() {
    switch self {
    case .undecided: break
    case .http1Server(let codec): codec._withUnsafeGuaranteedRef { $0.terminate() }
    case .http1Client(let codec): codec._withUnsafeGuaranteedRef { $0.terminate() }
    case .http2(let session): session._withUnsafeGuaranteedRef { $0.terminate() }
    }
  }

  @inline(__always)
  var nextDeadline: MonotonicTime {
    switch self {
    case .undecided: .distantFuture
    case .http1Server(let codec): codec._withUnsafeGuaranteedRef { $0.nextDeadline }
    case .http1Client(let codec): codec._withUnsafeGuaranteedRef { $0.nextDeadline }
    case .http2(let session): session._withUnsafeGuaranteedRef { $0.nextDeadline }
    }
  }

  @inline(__always)
  var wantsRead: Bool {
    switch self {
    case .undecided: true
    case .http1Server(let codec): codec._withUnsafeGuaranteedRef { $0.wantsRead }
    case .http1Client(let codec): codec._withUnsafeGuaranteedRef { $0.wantsRead }
    case .http2(let session): session._withUnsafeGuaranteedRef { $0.wantsRead }
    }
  }

  var openStreamCount: Int {
    switch self {
    case .undecided: 0
    case .http1Server(let codec): codec._withUnsafeGuaranteedRef { $0.openStreamCount }
    case .http1Client(let codec): codec._withUnsafeGuaranteedRef { $0.openStreamCount }
    case .http2(let session): session._withUnsafeGuaranteedRef { $0.openStreamCount }
    }
  }
}

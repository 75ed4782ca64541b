/// Reads a chunked body (RFC 9112 section 7.1): sizes, extensions, data and trailers, to the letter of the grammar.
///
/// Pure, 40 bytes of state, no storage: extensions and trailers are checked and dropped as they pass (S-07 to S-10). Anything
/// wrong is final: the place where the next message begins is then unknown.
public struct HTTP1ChunkedDecoder {
  public enum Step: Equatable {
    /// All bytes were used up; the body goes on.
    case needsMore
    /// Body bytes at this range of the input.
    case data(start: Int, count: Int)
    /// The body and its trailers are over; what follows in the input belongs to the next message.
    case end
    case invalid
  }

  private enum State {
    case sizeStart, size, sizeCR
    case extensionStart, extensionName, extensionBlank, extensionEqual, extensionValue, extensionQuoted
    case extensionEscape, extensionQuoteEnd
    case data, dataCR, dataLF
    case trailerStart, trailerName, trailerValue, trailerCR, endLF
    case done, failed
  }

  /// Bytes of extensions in one chunk, and in a whole body.
  static let extensionBytesPerChunk = 256
  static let extensionBytesPerBody = 4096
  static let trailerBytes = 8192

  private var state = State.sizeStart
  /// Before a value is expected a blank may lead to `=`; after one it may not.
  private var mayTakeValue = false
  private var digitCount = 0
  private var remaining = 0
  private var chunkExtensionBytes = 0
  private var bodyExtensionBytes = 0
  private var trailerCount = 0

  public init() {}

  public var isAtEnd: Bool { state == .done }

  /// Reads `input` from `offset` on, and moves it past what was read.
  public mutating func next(_ input: UnsafeRawBufferPointer, from offset: inout Int) -> Step {
    while offset < input.count {
      if state == .data {
        let count = min(remaining, input.count &- offset)
        let start = offset
        offset &+= count
        remaining &-= count
        if remaining == 0 { state = .dataCR }
        return .data(start: start, count: count)
      }
      let byte = input[offset]
      offset &+= 1
      advance(byte)
      if state == .done { return .end }
      if state == .failed { return .invalid }
    }
    return .needsMore
  }

  private mutating func advance(_ byte: UInt8) {
    switch state {
    case .sizeStart, .size: takeSize(byte)
    case .sizeCR:
      guard byte == HTTP1Grammar.lf else { return fail() }
      chunkExtensionBytes = 0
      digitCount = 0
      state = remaining == 0 ? .trailerStart : .data
    case .extensionStart, .extensionName, .extensionBlank, .extensionEqual, .extensionValue, .extensionQuoted,
      .extensionEscape, .extensionQuoteEnd:
      takeExtension(byte)
    case .dataCR: state = byte == HTTP1Grammar.cr ? .dataLF : .failed
    case .dataLF: state = byte == HTTP1Grammar.lf ? .sizeStart : .failed
    case .trailerStart, .trailerName, .trailerValue, .trailerCR, .endLF: takeTrailer(byte)
    case .data, .done, .failed: state = .failed
    }
  }

  private mutating func takeSize(_ byte: UInt8) {
    if let digit = HTTP1Grammar.hexValue(byte) {
      digitCount &+= 1
      // 16 digits never wrap as unsigned; the bound of 2^53 is far below.
      guard digitCount <= 16, remaining <= 1 << 49 else { return fail() }
      remaining = remaining &* 16 &+ digit
      state = .size
      return
    }
    guard state == .size, remaining <= 1 << 53 else { return fail() }
    switch byte {
    case HTTP1Grammar.cr: state = .sizeCR
    case 0x3B: beginExtension()
    default: fail()
    }
  }

  private mutating func beginExtension() {
    mayTakeValue = true
    state = countExtensionByte() ? .extensionStart : .failed
  }

  private mutating func countExtensionByte() -> Bool {
    chunkExtensionBytes &+= 1
    bodyExtensionBytes &+= 1
    return chunkExtensionBytes <= Self.extensionBytesPerChunk && bodyExtensionBytes <= Self.extensionBytesPerBody
  }

  /// chunk-ext = *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )
  private mutating func takeExtension(_ byte: UInt8) {
    if byte == HTTP1Grammar.cr {
      switch state {
      case .extensionName, .extensionValue, .extensionQuoteEnd: state = .sizeCR
      default: fail()
      }
      return
    }
    guard countExtensionByte() else { return fail() }
    switch state {
    case .extensionStart:
      if HTTP1Grammar.isBlank(byte) { return }
      mayTakeValue = true
      state = HTTP1Grammar.isToken(byte) ? .extensionName : .failed
    case .extensionName, .extensionValue, .extensionBlank, .extensionQuoteEnd:
      if HTTP1Grammar.isToken(byte), state == .extensionName || state == .extensionValue { return }
      if HTTP1Grammar.isBlank(byte) {
        if state == .extensionValue || state == .extensionQuoteEnd { mayTakeValue = false }
        state = .extensionBlank
      } else if byte == 0x3B {
        state = .extensionStart
      } else if byte == 0x3D, state == .extensionName || (state == .extensionBlank && mayTakeValue) {
        mayTakeValue = false
        state = .extensionEqual
      } else {
        fail()
      }
    case .extensionEqual:
      if HTTP1Grammar.isBlank(byte) { return }
      state = byte == 0x22 ? .extensionQuoted : HTTP1Grammar.isToken(byte) ? .extensionValue : .failed
    case .extensionQuoted:
      if byte == 0x22 {
        state = .extensionQuoteEnd
      } else if byte == 0x5C {
        state = .extensionEscape
      } else if !Self.isText(byte) {
        fail()
      }
    case .extensionEscape: state = Self.isText(byte) ? .extensionQuoted : .failed
    default: fail()
    }
  }

  private mutating func takeTrailer(_ byte: UInt8) {
    trailerCount &+= 1
    guard trailerCount <= Self.trailerBytes else { return fail() }
    switch state {
    case .trailerStart:
      state = byte == HTTP1Grammar.cr ? .endLF : HTTP1Grammar.isToken(byte) ? .trailerName : .failed
    case .trailerName:
      if byte == 0x3A { state = .trailerValue } else if !HTTP1Grammar.isToken(byte) { fail() }
    case .trailerValue:
      if byte == HTTP1Grammar.cr { state = .trailerCR } else if !Self.isText(byte) { fail() }
    case .trailerCR: state = byte == HTTP1Grammar.lf ? .trailerStart : .failed
    case .endLF: state = byte == HTTP1Grammar.lf ? .done : .failed
    default: fail()
    }
  }

  private static func isText(_ byte: UInt8) -> Bool {
    byte == HTTP1Grammar.tab || (byte >= 0x20 && byte != 0x7F)
  }

  private mutating func fail() { state = .failed }
}

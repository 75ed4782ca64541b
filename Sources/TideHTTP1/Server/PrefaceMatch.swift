import TideCore

/// Whether the first bytes of a connection are HTTP/2's connection preface (RFC 9113 section 3.4).
public enum PrefaceMatch: Sendable, Equatable {
  case no
  /// What has come so far is the beginning of it.
  case maybe
  case yes
}

extension HTTP1ServerCodec {
  private static let preface: StaticString = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

  /// Compares the first bytes of a connection with HTTP/2's preface, 24 bytes. No bytes at all are `.maybe`.
  public static func looksLikeHTTP2Preface(_ bytes: UnsafeRawBufferPointer) -> PrefaceMatch {
    preface.withUTF8Buffer { wanted in
      for index in 0..<min(bytes.count, wanted.count) where bytes[index] != wanted[index] { return .no }
      return bytes.count >= wanted.count ? .yes : .maybe
    }
  }
}

import CNghttp2
import TideCore

#if canImport(Glibc)
  import Glibc
#endif

/// A message head in nghttp2's form: its fields, each naming its bytes. Those of the list stay where they lie in the head.
///
/// Valid inside one call, which nghttp2 copies from.
struct HeaderFieldVector: ~Copyable {
  /// A length as text.
  private static let digitCount = 20

  private let storage: UnsafeMutableBufferPointer<nghttp2_nv>
  private var count = 0
  /// What the head holds as strings and numbers.
  private let text: UnsafeMutableRawBufferPointer
  private var textCount = 0

  private init(_ storage: UnsafeMutableBufferPointer<nghttp2_nv>, _ text: UnsafeMutableRawBufferPointer) {
    self.storage = storage
    self.text = text
  }

  /// Runs `body` with the fields of a request.
  static func with<R>(_ head: RequestHead, _ body: (UnsafePointer<nghttp2_nv>?, Int) -> R) -> R {
    // Of its own each, since a closure that reads one member of a head copies all of it.
    let (method, scheme, authority, path) = (head.method, head.scheme, head.authority, head.path)
    let (headers, contentLength) = (head.headers, head.contentLength)
    let texts = method.utf8.count + scheme.utf8.count + authority.utf8.count + path.utf8.count
    return withRoom(fields: headers.count + 5, bytes: texts + digitCount) { fields in
      fields.append(":method", method)
      fields.append(":scheme", scheme)
      fields.append(":authority", authority)
      fields.append(":path", path)
      fields.append(headers)
      fields.appendContentLength(contentLength)
      return body(fields.storage.baseAddress, fields.count)
    }
  }

  /// Runs `body` with the fields of a response.
  static func with<R>(_ head: ResponseHead, _ body: (UnsafePointer<nghttp2_nv>?, Int) -> R) -> R {
    withRoom(fields: head.headers.count + 2, bytes: 2 * digitCount) { fields in
      fields.append(":status", String(head.status))
      fields.append(head.headers)
      fields.appendContentLength(head.contentLength)
      return body(fields.storage.baseAddress, fields.count)
    }
  }

  static func with<R>(trailers: HeaderList, _ body: (UnsafePointer<nghttp2_nv>?, Int) -> R) -> R {
    withRoom(fields: trailers.count, bytes: 0) { fields in
      fields.append(trailers)
      return body(fields.storage.baseAddress, fields.count)
    }
  }

  private static func withRoom<R>(fields: Int, bytes: Int, _ body: (inout HeaderFieldVector) -> R) -> R {
    withUnsafeTemporaryAllocation(byteCount: bytes, alignment: 1) { text in
      withUnsafeTemporaryAllocation(of: nghttp2_nv.self, capacity: fields) { storage in
        var vector = HeaderFieldVector(storage, text)
        return body(&vector)
      }
    }
  }

  private mutating func appendContentLength(_ length: Int?) {
    guard let length, length >= 0 else { return }
    append("content-length", String(length))
  }

  private mutating func append(_ name: StaticString, _ value: String) {
    let start = textCount
    var value = value
    value.withUTF8 { bytes in
      precondition(bytes.count <= text.count - start, "a head longer than it said")
      if let source = bytes.baseAddress { memcpy(text.baseAddress! + start, source, bytes.count) }
      textCount += bytes.count
    }
    append(
      UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount),
      UnsafeRawBufferPointer(rebasing: text[start..<textCount]))
  }

  private mutating func append(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    let flags = FieldName.staysOutOfTable(name) ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE
    storage.initializeElement(
      at: count,
      to: nghttp2_nv(
        name: Self.bytes(name), value: Self.bytes(value), namelen: name.count, valuelen: value.count,
        flags: UInt8(truncatingIfNeeded: flags.rawValue)))
    count += 1
  }

  /// nghttp2 only reads them.
  private static func bytes(_ text: UnsafeRawBufferPointer) -> UnsafeMutablePointer<UInt8>? {
    UnsafeMutablePointer(mutating: text.assumingMemoryBound(to: UInt8.self).baseAddress)
  }

  private mutating func append(_ list: HeaderList) {
    list.forEach { name, value in
      if FieldName.isGenerated(name) { return }
      if name.equals("te"), !value.equals("trailers") { return }
      // nghttp2 sends what it is told. A head can hold bytes that a script put there, and a peer that translates to
      // HTTP/1.1 must not find a line end in them.
      let nameBytes = name.assumingMemoryBound(to: UInt8.self)
      let valueBytes = value.assumingMemoryBound(to: UInt8.self)
      guard nghttp2_check_header_name(nameBytes.baseAddress, name.count) != 0,
        value.isEmpty || nghttp2_check_header_value_rfc9113(valueBytes.baseAddress, value.count) != 0
      else { return }
      append(name, value)
    }
  }
}

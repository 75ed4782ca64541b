import CNghttp2
import TideCore

/// A message head on its way into nghttp2: one block of bytes and the positions of the fields in it.
///
/// nghttp2 copies what it is given, since the head does not outlive the call.
struct HeaderFieldEncoder: ~Copyable {
  private struct Field: BitwiseCopyable {
    var start: Int
    var nameCount: Int
    var valueCount: Int
    var staysOutOfTable: Bool
  }

  /// Room for the fields that a head has beside its list, without authority and path.
  private static let pseudoByteCount = 96

  private var bytes: [UInt8] = []
  private var fields: [Field] = []

  init(_ head: RequestHead) {
    bytes.reserveCapacity(
      head.headers.listSize + head.authority.utf8.count + head.path.utf8.count + Self.pseudoByteCount)
    fields.reserveCapacity(head.headers.count + 5)
    append(":method", head.method)
    append(":scheme", head.scheme)
    append(":authority", head.authority)
    append(":path", head.path)
    appendFields(head.headers)
    appendContentLength(head.contentLength)
  }

  init(_ head: ResponseHead) {
    bytes.reserveCapacity(head.headers.listSize + Self.pseudoByteCount)
    fields.reserveCapacity(head.headers.count + 2)
    append(":status", String(head.status))
    appendFields(head.headers)
    appendContentLength(head.contentLength)
  }

  init(trailers: HeaderList) {
    appendFields(trailers)
  }

  var isEmpty: Bool { fields.isEmpty }

  /// Runs `body` with the fields in nghttp2's form, valid inside the call.
  mutating func withFields<R>(_ body: (UnsafePointer<nghttp2_nv>?, Int) -> R) -> R {
    let fields = fields
    return bytes.withUnsafeMutableBufferPointer { block in
      guard let base = block.baseAddress else { return body(nil, 0) }
      return withUnsafeTemporaryAllocation(of: nghttp2_nv.self, capacity: fields.count) { vector in
        for (index, field) in fields.enumerated() {
          let flags = field.staysOutOfTable ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE
          vector.initializeElement(
            at: index,
            to: nghttp2_nv(
              name: base + field.start, value: base + field.start + field.nameCount, namelen: field.nameCount,
              valuelen: field.valueCount, flags: UInt8(truncatingIfNeeded: flags.rawValue)))
        }
        return body(vector.baseAddress, fields.count)
      }
    }
  }

  private mutating func append(_ name: StaticString, _ value: String) {
    var value = value
    let name = UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
    value.withUTF8 { append(name, UnsafeRawBufferPointer($0)) }
  }

  private mutating func append(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    let field = Field(
      start: bytes.count, nameCount: name.count, valueCount: value.count,
      staysOutOfTable: FieldName.staysOutOfTable(name))
    bytes.append(contentsOf: name)
    bytes.append(contentsOf: value)
    fields.append(field)
  }

  private mutating func appendContentLength(_ length: Int?) {
    guard let length, length >= 0 else { return }
    append("content-length", String(length))
  }

  private mutating func appendFields(_ list: HeaderList) {
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

#if canImport(Glibc)
  import Glibc
#endif

/// The fields of one message head, in order of arrival: names in lower case, values without outer white space.
///
/// All bytes lie in one block and a field is three numbers, so a head costs two allocations however many fields it has.
/// Codecs validate before they append; `HeaderList` stores what it is given.
public struct HeaderList: Sendable, Equatable {
  struct Field: Sendable, Equatable, BitwiseCopyable {
    var start: UInt32
    var nameCount: UInt16
    var valueCount: UInt32
  }

  /// What RFC 9113 section 10.5.1 adds to each field when a list's size is counted.
  public static let fieldOverhead = 32

  private var bytes: [UInt8] = []
  private var fields: [Field] = []

  public init() {}

  public init(_ pairs: [(String, String)]) {
    for (name, value) in pairs { append(name, value) }
  }

  public var count: Int { fields.count }
  public var isEmpty: Bool { fields.isEmpty }

  /// Names and values and 32 bytes a field: the size that limits speak of.
  public var listSize: Int { bytes.count + fields.count * Self.fieldOverhead }

  public mutating func reserve(fields fieldCount: Int, bytes byteCount: Int) {
    fields.reserveCapacity(fieldCount)
    bytes.reserveCapacity(byteCount)
  }

  /// Room for all of `list` and for what a message usually gets on top of it.
  public mutating func reserve(for list: HeaderList) {
    reserve(fields: list.fields.count + 6, bytes: list.bytes.count + 256)
  }

  /// Appends a field. The name is stored in lower case.
  public mutating func append(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    precondition(name.count <= Int(UInt16.max) && value.count < Int(Int32.max), "a field too long for any limit")
    let start = bytes.count
    bytes.append(contentsOf: name)
    bytes.append(contentsOf: value)
    if name.contains(where: { $0 &- 0x41 < 26 }) {
      for index in start..<start + name.count where bytes[index] &- 0x41 < 26 { bytes[index] |= 0x20 }
    }
    fields.append(Field(start: UInt32(start), nameCount: UInt16(name.count), valueCount: UInt32(value.count)))
  }

  public mutating func append(_ name: String, _ value: String) {
    var name = name
    var value = value
    name.withUTF8 { n in value.withUTF8 { v in append(UnsafeRawBufferPointer(n), UnsafeRawBufferPointer(v)) } }
  }

  /// Runs `body` for every field: (name, value). The buffers are valid inside `body` only.
  public func forEach(_ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws -> Void) rethrows {
    try bytes.withUnsafeBytes { block in
      for field in fields {
        let start = Int(field.start)
        let valueStart = start + Int(field.nameCount)
        try body(
          UnsafeRawBufferPointer(rebasing: block[start..<valueStart]),
          UnsafeRawBufferPointer(rebasing: block[valueStart..<valueStart + Int(field.valueCount)]))
      }
    }
  }

  public func name(at index: Int) -> String {
    withField(at: index) { name, _ in String(decoding: name, as: UTF8.self) }
  }

  public func value(at index: Int) -> String {
    withField(at: index) { _, value in String(decoding: value, as: UTF8.self) }
  }

  /// Runs `body` with name and value of one field. The buffers are valid inside `body` only.
  public func withField<R>(at index: Int, _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> R) -> R {
    let field = fields[index]
    let start = Int(field.start)
    let valueStart = start + Int(field.nameCount)
    return bytes.withUnsafeBytes { block in
      body(
        UnsafeRawBufferPointer(rebasing: block[start..<valueStart]),
        UnsafeRawBufferPointer(rebasing: block[valueStart..<valueStart + Int(field.valueCount)]))
    }
  }

  /// The position of the first field called `name` (lower case), from `start` on.
  public func index(of name: String, from start: Int = 0) -> Int? {
    var name = name
    return name.withUTF8 { wanted in
      var index = start
      while index < fields.count {
        if matches(index, wanted) { return index }
        index += 1
      }
      return nil
    }
  }

  public func contains(_ name: String) -> Bool { index(of: name) != nil }

  /// The value of the first field called `name` (lower case).
  public subscript(name: String) -> String? { index(of: name).map { value(at: $0) } }

  /// Whether the first field called `name` (lower case) has a value that begins with `prefix` (lower case), in whatever case.
  public func begins(_ name: String, with prefix: StaticString) -> Bool {
    guard let index = index(of: name) else { return false }
    return withField(at: index) { _, value in value.beginsIgnoringCase(with: prefix) }
  }

  /// All values of `name`, joined with a comma and a space as RFC 9110 section 5.3 allows; nil when there is none.
  public func joined(_ name: String) -> String? {
    var result: String?
    var next = index(of: name)
    while let at = next {
      let one = value(at: at)
      result = result.map { $0 + ", " + one } ?? one
      next = index(of: name, from: at + 1)
    }
    return result
  }

  public mutating func remove(_ name: String) {
    guard contains(name) else { return }
    var name = name
    name.withUTF8 { wanted in
      let keep = fields.indices.filter { !matches($0, wanted) }
      fields = keep.map { fields[$0] }
    }
  }

  /// Replaces every field called `name` by one.
  public mutating func set(_ name: String, _ value: String) {
    remove(name)
    append(name, value)
  }

  private func matches(_ index: Int, _ wanted: UnsafeBufferPointer<UInt8>) -> Bool {
    let field = fields[index]
    guard Int(field.nameCount) == wanted.count else { return false }
    return bytes.withUnsafeBytes { block in
      memcmp(block.baseAddress! + Int(field.start), wanted.baseAddress!, wanted.count) == 0
    }
  }

  public static func == (a: HeaderList, b: HeaderList) -> Bool {
    guard a.count == b.count else { return false }
    return a.fields.indices.allSatisfy { a.name(at: $0) == b.name(at: $0) && a.value(at: $0) == b.value(at: $0) }
  }
}

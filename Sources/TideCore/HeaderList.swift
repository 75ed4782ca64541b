#if canImport(Glibc)
  import Glibc
#endif

/// The fields of one message head, in order of arrival: names in lower case, values without outer white space.
///
/// All lies in one block, a field's two lengths before its bytes, so a head costs one allocation however many fields it has and is
/// read from front to back. Codecs validate before they append; `HeaderList` stores what it is given.
///
/// Unchecked Sendable: the block is written only while one list alone holds it.
public struct HeaderList: @unchecked Sendable, Equatable {
  private struct Capacity { var byteCount: Int }
  private final class Block: ManagedBuffer<Capacity, UInt8> {}

  /// What RFC 9113 section 10.5.1 adds to each field when a list's size is counted.
  public static let fieldOverhead = 32
  /// What precedes a field's bytes: four of the value's length, two of the name's.
  private static let lengthsByteCount = 6
  private static let smallestCapacity = 160

  private var block: Block?
  private var usedCount = 0
  public private(set) var count = 0

  public init() {}

  public init(_ pairs: [(String, String)]) {
    for (name, value) in pairs { append(name, value) }
  }

  public var isEmpty: Bool { count == 0 }

  /// Names and values and 32 bytes a field: the size that limits speak of.
  public var listSize: Int { usedCount + count * (Self.fieldOverhead - Self.lengthsByteCount) }

  public mutating func reserve(fields fieldCount: Int, bytes byteCount: Int) {
    makeRoom(fieldCount * Self.lengthsByteCount + byteCount)
  }

  /// Room for all of `list` and for what a message usually gets on top of it.
  public mutating func reserve(for list: HeaderList) { makeRoom(list.usedCount + 192) }

  /// Appends a field. The name is stored in lower case.
  public mutating func append(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    precondition(name.count <= Int(UInt16.max) && value.count < Int(Int32.max), "a field too long for any limit")
    let size = Self.lengthsByteCount + name.count + value.count
    makeRoom(size)
    let start = base + usedCount
    start.storeBytes(of: UInt32(value.count), as: UInt32.self)
    start.storeBytes(of: UInt16(name.count), toByteOffset: 4, as: UInt16.self)
    let stored = (start + Self.lengthsByteCount).assumingMemoryBound(to: UInt8.self)
    for index in 0..<name.count {
      let byte = name[index]
      stored[index] = byte &- 0x41 < 26 ? byte | 0x20 : byte
    }
    if let source = value.baseAddress { memcpy(stored + name.count, source, value.count) }
    usedCount += size
    count += 1
  }

  public mutating func append(_ name: String, _ value: String) {
    var name = name
    var value = value
    name.withUTF8 { n in value.withUTF8 { v in append(UnsafeRawBufferPointer(n), UnsafeRawBufferPointer(v)) } }
  }

  /// Runs `body` for every field: (name, value). The buffers are valid as long as the list lives unchanged.
  @inline(__always)
  public func forEach(_ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws -> Void) rethrows {
    var offset = 0
    while offset < usedCount {
      let field = field(at: offset)
      try body(field.name, field.value)
      offset = field.end
    }
    withExtendedLifetime(block) {}
  }

  /// Runs `body` with name and value of one field. The buffers are valid inside `body` only.
  public func withField<R>(at index: Int, _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> R) -> R {
    precondition(index >= 0 && index < count, "there is no such field")
    var field = field(at: 0)
    for _ in 0..<index { field = self.field(at: field.end) }
    return withExtendedLifetime(block) { body(field.name, field.value) }
  }

  /// The position of the first field called `name` (lower case), from `start` on.
  public func index(of name: UnsafeRawBufferPointer, from start: Int = 0) -> Int? {
    var offset = 0
    for index in 0..<count {
      let field = field(at: offset)
      if index >= start, Self.isSame(field.name, name) { return index }
      offset = field.end
    }
    withExtendedLifetime(block) {}
    return nil
  }

  public mutating func remove(_ name: String) {
    guard contains(name) else { return }
    makeRoom(0)
    var name = name
    name.withUTF8 { wanted in
      var kept = 0
      var keptCount = 0
      var offset = 0
      while offset < usedCount {
        let field = field(at: offset)
        if !Self.isSame(field.name, UnsafeRawBufferPointer(wanted)) {
          memmove(base + kept, base + offset, field.end - offset)
          kept += field.end - offset
          keptCount += 1
        }
        offset = field.end
      }
      usedCount = kept
      count = keptCount
    }
  }

  public static func == (a: HeaderList, b: HeaderList) -> Bool {
    guard a.count == b.count, a.usedCount == b.usedCount else { return false }
    return a.usedCount == 0 || memcmp(a.base, b.base, a.usedCount) == 0
  }

  // MARK: The block

  /// Of a list that has a block.
  @inline(__always)
  private var base: UnsafeMutableRawPointer {
    block!.withUnsafeMutablePointerToElements { UnsafeMutableRawPointer($0) }
  }

  /// The field whose lengths stand at `offset`, and where the next one begins.
  @inline(__always)
  private func field(at offset: Int) -> (name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, end: Int) {
    let start = base + offset
    let valueCount = Int(start.loadUnaligned(as: UInt32.self))
    let nameCount = Int(start.loadUnaligned(fromByteOffset: 4, as: UInt16.self))
    return (
      UnsafeRawBufferPointer(start: start + Self.lengthsByteCount, count: nameCount),
      UnsafeRawBufferPointer(start: start + Self.lengthsByteCount + nameCount, count: valueCount),
      offset + Self.lengthsByteCount + nameCount + valueCount
    )
  }

  @inline(__always)
  private static func isSame(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
    guard a.count == b.count, let left = a.baseAddress, let right = b.baseAddress else { return a.count == b.count }
    return memcmp(left, right, a.count) == 0
  }

  /// Makes the block this list's own, with `byteCount` bytes free in it.
  private mutating func makeRoom(_ byteCount: Int) {
    let needed = usedCount + byteCount
    if isKnownUniquelyReferenced(&block), let block, block.header.byteCount >= needed { return }
    let capacity = block == nil ? max(needed, Self.smallestCapacity) : max(needed, usedCount * 2)
    let made = Block.create(minimumCapacity: capacity) { _ in Capacity(byteCount: capacity) }
    if usedCount > 0 {
      let old = base
      made.withUnsafeMutablePointerToElements { _ = memcpy($0, old, usedCount) }
    }
    block = unsafeDowncast(made, to: Block.self)
  }
}

/// A table that never changes after it was made: what compiled filters are read from by every worker at once.
///
/// At an address of its own and without bounds checks, since one is read for every byte of text; its indexes come from other tables of
/// the same compilation, never from input. Freed by its owner.
struct FrozenTable<Element: BitwiseCopyable & Sendable>: @unchecked Sendable, BitwiseCopyable {
  // Unchecked: written only in `init`.
  let base: UnsafePointer<Element>
  let count: Int

  init(_ elements: [Element]) {
    let storage = UnsafeMutableBufferPointer<Element>.allocate(capacity: max(1, elements.count))
    _ = storage.initialize(from: elements)
    base = UnsafePointer(storage.baseAddress!)
    count = elements.count
  }

  @inline(__always)
  subscript(index: Int) -> Element {
    assert(index >= 0 && index < count, "compiled filters read outside a table")
    return base[index]
  }

  func deallocate() { base.deallocate() }

  /// Bytes that it holds.
  var byteCount: Int { count * MemoryLayout<Element>.stride }
}

extension UnsafePointer where Pointee: BitwiseCopyable {
  /// A copy of `value` at an address of its own.
  static func frozen(_ value: Pointee) -> Self {
    let pointer = UnsafeMutablePointer<Pointee>.allocate(capacity: 1)
    pointer.initialize(to: value)
    return Self(pointer)
  }
}

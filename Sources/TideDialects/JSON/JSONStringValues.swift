/// Walks the string values of one JSON text, nested ones included, in the order in which they stand there. Keys are not values.
struct JSONStringValues {
  private var scanner: JSONScanner
  /// One bit a level: whether it is an object.
  private var objects: UInt64 = 0
  private var isValueDue = true

  /// - Parameter text: one JSON value; what is wrong with it ends the walk. Must outlive the walk.
  init(_ text: UnsafeRawBufferPointer) { scanner = JSONScanner(text) }

  mutating func next() -> JSONString? {
    while !scanner.hasFailed {
      if isValueDue {
        isValueDue = false
        switch scanner.peek() {
        case .string: return scanner.string()
        case .object: if scanner.enterObject() { objects = objects << 1 | 1 }
        case .array: if scanner.enterArray() { objects = objects << 1 }
        default: _ = scanner.skipValue()
        }
      } else {
        guard scanner.depth > 0 else { return nil }
        isValueDue = objects & 1 == 1 ? scanner.nextKey() != nil : scanner.nextElement()
        if !isValueDue { objects >>= 1 }
      }
    }
    return nil
  }
}

import TideLua

/// What `gsub` puts in a match's place, as Lua's own does: a template in which `%1` stands for a capture, what a table has
/// under the first capture, or what a function returns for the captures. The last two keep the match when they say nil or false.
enum PatternReplacement {
  enum Piece {
    case bytes([UInt8])
    /// 0 is the whole match.
    case capture(Int)
  }

  case template([Piece])
  case table([[UInt8]: LuaValue])
  case function(LuaFunction)

  /// - Parameter captureCount: of the pattern.
  init(_ argument: LuaArgumentView, captureCount: Int) throws(HostError) {
    if let function = argument.function {
      self = .function(function)
    } else if let bytes = argument.bytes {
      self = .template(try Self.pieces(bytes, captureCount: captureCount))
    } else if let number = argument.integer {
      self = .template([.bytes(Array("\(number)".utf8))])
    } else if argument.isTable {
      var table: [[UInt8]: LuaValue] = [:]
      for entry in argument.value.entries ?? [] {
        if case .string(let key) = entry.key { table[key] = entry.value }
      }
      self = .table(table)
    } else {
      throw HostError("gsub: the replacement must be a string, a table or a function, not \(argument.typeName)")
    }
  }

  private static func pieces(_ template: UnsafeRawBufferPointer, captureCount: Int) throws(HostError) -> [Piece] {
    var pieces: [Piece] = []
    var literal: [UInt8] = []
    var index = 0
    while index < template.count {
      let byte = template[index]
      index += 1
      guard byte == UInt8(ascii: "%") else {
        literal.append(byte)
        continue
      }
      let name = index < template.count ? template[index] : 0
      index += 1
      if name == UInt8(ascii: "%") {
        literal.append(name)
      } else if name &- 0x30 < 10 {
        let number = Int(name - 0x30)
        // Without captures %1 is the whole match, as in Lua.
        guard number <= max(1, captureCount) else { throw HostError("gsub: the pattern has no capture %\(number)") }
        if !literal.isEmpty { pieces.append(.bytes(literal)) }
        literal = []
        pieces.append(.capture(captureCount == 0 ? 0 : number))
      } else {
        throw HostError("gsub: % in the replacement must be followed by a digit or %")
      }
    }
    if !literal.isEmpty { pieces.append(.bytes(literal)) }
    return pieces
  }

  /// Appends what stands for one match.
  func append(
    _ match: Range<Int>, _ captures: [Range<Int>?], of text: UnsafeRawBufferPointer, _ machine: LuaMachine?,
    to out: inout [UInt8]
  ) throws(HostError) {
    let value: LuaValue
    switch self {
    case .template(let pieces):
      for piece in pieces {
        switch piece {
        case .bytes(let bytes): out += bytes
        case .capture(0): out += text[match]
        case .capture(let number): if let range = captures[number - 1] { out += text[range] }
        }
      }
      return
    case .table(let table):
      let first = captures.first ?? match
      value = first.flatMap { table[Array(text[$0])] } ?? .nilValue
    case .function(let function):
      let ranges = captures.isEmpty ? [match] : captures
      let arguments = ranges.map { range -> LuaArgument in
        range.map { .bytes(UnsafeRawBufferPointer(rebasing: text[$0])) } ?? .boolean(false)
      }
      // No budget of its own: that of the hook goes on.
      switch machine?.call(function, arguments: arguments, budgetNs: 0) {
      case .returned(let result)?: value = result
      case .failed(let failure)?: throw HostError("gsub: \(failure.description)")
      case .yielded?, nil: throw HostError("gsub: the replacement function cannot wait")
      }
    }
    switch value {
    case .string(let bytes): out += bytes
    case .integer(let number): out += "\(number)".utf8
    case .number(let number): out += "\(number)".utf8
    case .nilValue, .boolean(false): out += text[match]
    default: throw HostError("gsub: a replacement must be a string, not a \(value.typeName)")
    }
  }
}

import TideCore
import TideLua

extension PolicyValue {
  /// A copy of what Lua gave. Strings that are not UTF-8 are repaired; map keys become text.
  public init(_ value: LuaValue) {
    switch value {
    case .nilValue: self = .null
    case .boolean(let flag): self = .boolean(flag)
    case .integer(let number): self = .integer(Int(number))
    case .number(let number): self = .number(number)
    case .string(let bytes): self = .string(String(decoding: bytes, as: UTF8.self))
    case .array(let elements): self = .array(elements.map { PolicyValue($0) })
    case .map(let entries):
      self = .map(
        entries.map { key, value in
          let name: String =
            switch key {
            case .string(let bytes): String(decoding: bytes, as: UTF8.self)
            case .integer(let number): "\(number)"
            case .number(let number): "\(number)"
            case .boolean(let flag): "\(flag)"
            default: key.typeName
            }
          return Entry(name, PolicyValue(value))
        })
    case .object(BindingHost.null): self = .null
    case .function, .opaque, .object, .unsupported: self = .function
    }
  }

  /// The value for a machine of the program's own: nothing and secrets are nil, in lists too.
  public var luaValue: LuaValue {
    switch self {
    case .null, .function, .secret: .nilValue
    case .boolean(let flag): .boolean(flag)
    case .integer(let number): .integer(Int64(number))
    case .number(let number): .number(number)
    case .string(let text): .text(text)
    case .array(let elements): .array(elements.map(\.luaValue))
    case .map(let entries): .map(entries.map { (.text($0.key), $0.value.luaValue) })
    }
  }

  /// The value for Lua. `hide` makes the opaque value that stands for a secret. Nothing is nil, except in a list, which
  /// a nil would end: there it is `tide.json.null`.
  func luaValue(hide: (Secret) -> LuaOpaque) -> LuaValue {
    switch self {
    case .null, .function: .nilValue
    case .boolean(let flag): .boolean(flag)
    case .integer(let number): .integer(Int64(number))
    case .number(let number): .number(number)
    case .string(let text): .text(text)
    case .secret(let secret): .opaque(hide(secret))
    case .array(let elements):
      .array(elements.map { $0 == .null ? .object(BindingHost.null) : $0.luaValue(hide: hide) })
    case .map(let entries): .map(entries.map { (.text($0.key), $0.value.luaValue(hide: hide)) })
    }
  }
}

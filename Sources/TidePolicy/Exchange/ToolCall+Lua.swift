import TideDialects
import TideLua

extension ToolCall {
  /// What the client reads in the place of a call whose policy failed.
  static let withheld = "A tool call was withheld: the policy that judges it failed."

  /// What `on_tool_call` gets as `call`. `args` is nil where the arguments are no JSON; indexes count from 1 as Lua's do.
  var luaValue: LuaValue {
    var entries: [(key: LuaValue, value: LuaValue)] = [
      (.text("id"), .text(id)), (.text("name"), .text(name)), (.text("args_raw"), .text(arguments)),
      (.text("index"), .integer(Int64(index + 1))),
    ]
    if let value = Self.decoded(arguments) { entries.append((.text("args"), value.luaValue)) }
    return .map(entries)
  }

  static func isJSON(_ text: String) -> Bool { decoded(text) != nil }

  /// Tools without parameters are called with nothing by some engines, which stands for an empty object.
  private static func decoded(_ text: String) -> PolicyValue? {
    if text.isEmpty { return .map([]) }
    var text = text
    return text.withUTF8 { try? JSONText.decode(UnsafeRawBufferPointer($0)) }
  }
}

import TideCore
import TideLua

/// One text part of a prompt while a hook loops over them.
struct TextPart {
  static let fields = ["text", "role", "index"]

  var context: LuaHandle
  /// From 0.
  var message: Int
  var part: Int
  /// The prompt's revision: after a message was inserted or removed, earlier parts name the wrong one.
  var revision: Int
}

/// A loop over text parts: those that matched when it began.
final class TextLoop {
  let parts: [TextPart]
  var cursor = 0

  init(parts: [TextPart]) { self.parts = parts }
}

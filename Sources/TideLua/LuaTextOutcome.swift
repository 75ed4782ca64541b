/// What a text hook said about one segment.
public enum LuaTextOutcome {
  /// Nil, or the very same text.
  case pass
  /// The text to emit instead. Valid until the machine's next call.
  case replaced(UnsafeRawBufferPointer)
  case verdict(LuaOpaque)
  /// A value that is not an answer: the name of its Lua type.
  case badType(String)
  case failed(LuaFailure)
}

import TideLua

extension UpstreamError {
  /// What `on_upstream_error` gets as `err`.
  var luaValue: LuaValue {
    var entries: [(key: LuaValue, value: LuaValue)] = [
      (.text("kind"), .text(kind.rawValue)), (.text("message"), .text(message)), (.text("model"), .text(model)),
      (.text("cluster"), .text(cluster)), (.text("will_retry"), .boolean(willRetry)),
    ]
    if let status { entries.append((.text("status"), .integer(Int64(status)))) }
    return .map(entries)
  }
}

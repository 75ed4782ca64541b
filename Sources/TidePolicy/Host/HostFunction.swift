import TideLua

/// What a script may call, by the number that Lua's shim passes back.
enum HostFunction: Int32, CaseIterable {
  case deny, respond, cut, identity, retry, tool
  case sleep, http, all, once
  case sharedGet, sharedSet, sharedIncrement, sharedCompareAndSet, sharedDelete
  case limitTake, limitTokens, limitConcurrent
  case jsonEncode, jsonDecode
  case base64Encode, base64Decode, sha256, hmac, uuid, jwtVerify
  case glob, regex
  case metricsIncrement, metricsObserve, log, now
  case filterMask, filterReplace, filterRestore, filterBlock, filterLimit
  case disableFilters, setFilters, maskPrompt
  case contextLog, eachText, nextText, appendMessage, insertMessage, removeMessage, replaceMessage
  case regexTest, regexFind, regexMatch, regexLoop, regexNext, regexReplace

  /// Where it stands; nil for methods of objects.
  var path: String? {
    switch self {
    case .deny: "tide.deny"
    case .respond: "tide.respond"
    case .cut: "tide.cut"
    case .identity: "tide.identity"
    case .retry: "tide.retry"
    case .tool: "tide.tool"
    case .sleep: "tide.sleep"
    case .http: "tide.http"
    case .all: "tide.all"
    case .once: "tide.once"
    case .sharedGet: "tide.shared.get"
    case .sharedSet: "tide.shared.set"
    case .sharedIncrement: "tide.shared.incr"
    case .sharedCompareAndSet: "tide.shared.cas"
    case .sharedDelete: "tide.shared.del"
    case .limitTake: "tide.limit.take"
    case .limitTokens: "tide.limit.tokens"
    case .limitConcurrent: "tide.limit.concurrent"
    case .jsonEncode: "tide.json.encode"
    case .jsonDecode: "tide.json.decode"
    case .base64Encode: "tide.base64.encode"
    case .base64Decode: "tide.base64.decode"
    case .sha256: "tide.sha256"
    case .hmac: "tide.hmac"
    case .uuid: "tide.uuid"
    case .jwtVerify: "tide.jwt.verify"
    case .glob: "tide.glob"
    case .regex: "tide.re"
    case .metricsIncrement: "tide.metrics.incr"
    case .metricsObserve: "tide.metrics.observe"
    case .filterMask: "tide.filter.mask"
    case .filterReplace: "tide.filter.replace"
    case .filterRestore: "tide.filter.restore"
    case .filterBlock: "tide.filter.block"
    case .filterLimit: "tide.filter.limit"
    case .log: "tide.log"
    case .now: "tide.now"
    default: nil
    }
  }

  /// Yields: legal only where a hook may wait.
  var isWaiting: Bool { [.sleep, .http, .all, .once].contains(self) }

  /// The hooks that may return the verdict it makes; nil for functions that make none.
  var resultHooks: HookSet? {
    let beforeTheAnswer: HookSet = [
      HookSet(.onAuth), HookSet(.onRequest), HookSet(.onRoute), HookSet(.onUpstreamError), HookSet(.onResponseStart),
    ]
    return switch self {
    case .deny, .respond: beforeTheAnswer
    case .identity: HookSet(.onAuth)
    case .retry: [HookSet(.onUpstreamError), HookSet(.onResponseStart)]
    case .tool: HookSet(.onToolCall)
    case .cut: [HookSet(.onToken), HookSet(.onSegment), HookSet(.filters), HookSet(.onResponseEnd)]
    default: nil
    }
  }

  /// Limits may come to wait for a store of several gateways, so they are legal only where waiting is.
  var options: LuaFunctionOptions {
    switch self {
    case .limitTake, .limitTokens, .limitConcurrent: .coroutineOnly
    case .all, .once, .regexReplace, .filterMask, .filterReplace, .filterBlock: .takesFunctions
    default: []
    }
  }
}

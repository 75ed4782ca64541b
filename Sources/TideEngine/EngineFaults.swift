/// What a request wants to go wrong.
public struct EngineFaults: Sendable, Equatable {
  /// What happens once a number of tokens has been sent.
  public enum Break: UInt8, Sendable {
    case none, die, eof, stall, malformed, error
  }

  public var breaks = Break.none
  /// Tokens (beats, when there are several choices) before the break.
  public var breaksAfter = Int.max
  /// The status answered instead of 200.
  public var status = 200
  /// Seconds in `retry-after` of a refusal; negative for no such field.
  public var retryAfter = -1
  /// Delay of the head, and so of the first token.
  public var slowFirstMs = 0
  /// The request is reset, or its connection closed, in place of a response head.
  public var diesBeforeHead = false
  /// The stream ends cleanly, with a finish reason, but without its terminal marker.
  public var omitsDone = false

  public init() {}

  /// What `tidegate engine --help` says about model names.
  public static let help = """
    The model's name says what the engine does. Words are joined with dashes and may follow any name, such as
    lorem-200-die-after-10 or gpt-4o-mini-rate-limited. The header x-engine-faults takes the same words, with commas or
    dashes between them. /v1/chat/completions, /v1/responses and /v1/messages are answered in their own dialects.

      echo                repeat the last user message word by word
      lorem, lorem-200    100 or 200 words of lorem ipsum
      scripted            the engine's script, or the text of the header x-engine-script
      tool-call           call the request's first tool, its arguments cut into pieces (x-engine-script sets them)
      reasoning           a few words of reasoning (or thinking) before the answer
      burst               no pause between tokens
      interval-5ms        another pause between tokens; interval-500us too

      slow-first-MS       send the response head only after MS milliseconds
      die-after-N         break the connection (HTTP/1.1) or reset the stream (HTTP/2) after N tokens
      die-before-head     the same, before the response head
      eof-after-N         end properly after N tokens, without finish reason and terminal event
      stall-after-N       fall silent after N tokens
      malformed-after-N   send an event of broken JSON after N tokens, then go on
      error-after-N       send an error event after N tokens, then end
      no-done             leave out [DONE], response.completed or message_stop
      rate-limited        429 with retry-after: 1
      retry-after-S       another number of seconds; on every refusal
      overloaded          503; on /v1/messages 529
      status-NNN          another error status

    The header x-engine-due: 1 adds to every chunk the instant at which it was due, in nanoseconds of the monotonic clock.
    GET /engine/stats tells what the engine has seen, GET /engine/last the last request as it came.
    """
}

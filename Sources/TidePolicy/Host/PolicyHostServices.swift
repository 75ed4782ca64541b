import TideCore
import TideLua

/// What policies need from the rest of the program, injected so that this module imports neither OpenSSL nor a clock of
/// its own.
public struct PolicyHostServices: Sendable {
  public var sha256: @Sendable (_ text: UnsafeRawBufferPointer) -> [UInt8]
  /// HMAC-SHA-256.
  public var hmac: @Sendable (_ key: UnsafeRawBufferPointer, _ text: UnsafeRawBufferPointer) -> [UInt8]
  /// Makes a key that web tokens are verified with.
  public var signatureKey: @Sendable (KeyMaterial) -> Result<any SignatureKey, KeyProblem>
  /// May be called on any worker; must not block.
  public var log: @Sendable (PolicyLogEntry) -> Void
  /// For limits, expiry and breakers.
  public var now: @Sendable () -> MonotonicTime
  /// Milliseconds since 1970.
  public var wallClockMs: @Sendable () -> Double
  /// What `os.time` and its like tell, in nanoseconds since 1970; 0 is the system's clock.
  public var scriptClockNs: @Sendable () -> UInt64 = { 0 }
  /// Times what manifests allow hooks of the processor: more than 1 where its real time must decide nothing, as in tests.
  public var cpuFactor: UInt64 = 1
  /// What a machine that is about to be made notes about its code; nil but in tests.
  public var observation: @Sendable () -> LuaObservation? = { nil }
  /// Numbers that nobody can guess.
  public var random: @Sendable () -> UInt64

  public init(
    sha256: @escaping @Sendable (UnsafeRawBufferPointer) -> [UInt8],
    hmac: @escaping @Sendable (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> [UInt8],
    signatureKey: @escaping @Sendable (KeyMaterial) -> Result<any SignatureKey, KeyProblem>,
    log: @escaping @Sendable (PolicyLogEntry) -> Void, now: @escaping @Sendable () -> MonotonicTime,
    wallClockMs: @escaping @Sendable () -> Double,
    random: @escaping @Sendable () -> UInt64 = { UInt64.random(in: .min ... .max) }
  ) {
    self.sha256 = sha256
    self.hmac = hmac
    self.signatureKey = signatureKey
    self.log = log
    self.now = now
    self.wallClockMs = wallClockMs
    self.random = random
  }
}

/// One line that a policy, or the host about a policy, has to say. The host's own lines hold no text of prompts or
/// answers.
public struct PolicyLogEntry: Sendable, Equatable {
  public enum Level: String, Sendable, CaseIterable { case debug, info, warning, error }

  public var level: Level
  public var binding: String
  /// Empty while loading.
  public var hook: String
  /// Empty outside an exchange.
  public var exchangeID: String
  public var message: String
  public var fields: [Field]

  public struct Field: Sendable, Equatable {
    public var name: String
    public var value: String
  }

  static let messageBytesMax = 1024

  init(
    level: Level, binding: String, hook: String = "", exchangeID: String = "", message: String, fields: [Field] = []
  ) {
    self.level = level
    self.binding = binding
    self.hook = hook
    self.exchangeID = exchangeID
    let isLong = message.utf8.count > Self.messageBytesMax
    self.message = isLong ? String(decoding: message.utf8.prefix(Self.messageBytesMax), as: UTF8.self) : message
    self.fields = fields
  }
}

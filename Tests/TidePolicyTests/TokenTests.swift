import Testing
import TideCore
import TideIO

@testable import TidePolicy

/// `tide.jwt.verify`. The fixture's clock stands at 1,700,000,000 seconds.
@Suite struct TokenTests {
  static let secret = "0123456789abcdef0123456789abcdef"

  private static func base64(_ text: String) -> String { base64(Array(text.utf8)) }

  private static func base64(_ bytes: [UInt8]) -> String {
    String(decoding: bytes.withUnsafeBytes { Base64.encode($0, .url) }, as: UTF8.self)
  }

  /// A token signed with HMAC-SHA-256, whatever its header says.
  static func token(
    _ claims: String, header: String = #"{"alg":"HS256"}"#, key: String = secret
  ) -> String {
    let message = base64(header) + "." + base64(claims)
    return message + "." + base64(Digest.hmacSHA256(key: Array(key.utf8), Array(message.utf8)))
  }

  /// `ok` and the subject, or the error's code.
  private func verify(_ token: String, _ options: String, keys: String = "{}") throws -> String {
    let json = keys.withUTF8Copy { bytes in try? JSONText.decode(bytes) } ?? .null
    return try told(
      """
      local claims, err = tide.jwt.verify([==[\(token)]==], \(options))
      return tide.deny(400, { message = claims and "ok " .. tostring(claims.sub) or err.code })
      """, config: map(("keys", json)), schema: "{ keys = { type = 'map' } }")
  }

  private func secretOptions(_ more: String = "") -> String {
    "{ secret = '\(Self.secret)', algs = { 'HS256', 'HS384', 'HS512' }\(more.isEmpty ? "" : ", " + more) }"
  }

  // MARK: Good tokens

  @Test(arguments: SignedTokens.byAlgorithm)
  func everyAlgorithmVerifies(_ signed: (algorithm: String, token: String)) throws {
    let all = "{ keys = cfg.keys, algs = { '\(signed.algorithm)' }, iss = 'https://issuer.example', aud = 'tidegate' }"
    #expect(try verify(signed.token, all, keys: SignedTokens.keys) == "ok alice")
    let others = SignatureAlgorithm.allCases.map(\.rawValue).filter { $0 != signed.algorithm }
    let list = others.map { "'\($0)'" }.joined(separator: ", ")
    #expect(
      try verify(signed.token, "{ keys = cfg.keys, algs = { \(list) }, aud = 'tidegate' }", keys: SignedTokens.keys)
        == "bad_algorithm")
  }

  @Test func keysComeAsSetListKeyOrPEM() throws {
    let token = SignedTokens.byAlgorithm[0].token
    for keys in [
      "cfg.keys", "cfg.keys.keys", "{ cfg.keys.keys[1] }", "cfg.keys.keys[1]", "[[\(SignedTokens.rsaPEM)]]",
      "{ [[\(SignedTokens.rsaPEM)]] }",
    ] {
      #expect(
        try verify(token, "{ keys = \(keys), algs = 'RS256', aud = { 'x', 'other' } }", keys: SignedTokens.keys)
          == "ok alice", "\(keys)")
    }
  }

  @Test func secretsMayBeHidden() throws {
    let token = Self.token(#"{"sub":"bob","exp":1700000100}"#)
    #expect(
      try told(
        """
        local claims = tide.jwt.verify("\(token)", { secret = cfg.secret, algs = { "HS256" } })
        return tide.deny(400, { message = claims.sub .. " " .. claims.exp })
        """, config: map(("secret", .string(Self.secret))), schema: "{ secret = { type = 'secret' } }")
        == "bob 1700000100")
  }

  @Test func claimsKeepTheirShape() throws {
    let token = Self.token(
      #"{"exp":1700000100.5,"roles":["a","b"],"nested":{"x":null,"n":12345678901},"email_verified":true,"name":"J\u00fcrgen"}"#
    )
    #expect(
      try values(
        "c.exp, c.roles[2], c.nested.n, c.nested.x, c.email_verified, c.name",
        load: "local c = tide.jwt.verify('\(token)', \(secretOptions()))")
        == "1700000100.5 b 12345678901 nil true Jürgen")
  }

  // MARK: Claims

  @Test(arguments: [
    (#"{"sub":"a","exp":1700000001}"#, "", "ok a"), (#"{"sub":"a","exp":1699999971}"#, "", "ok a"),
    (#"{"sub":"a","exp":1699999970}"#, "", "expired"), (#"{"sub":"a","exp":1700000000}"#, "leeway = 0", "expired"),
    (#"{"sub":"a","exp":1699999995}"#, "leeway = '10s'", "ok a"), (#"{"sub":"a","exp":1}"#, "", "expired"),
    (#"{"sub":"a","exp":-1}"#, "", "expired"), (#"{"sub":"a"}"#, "", "missing_claim"),
    (#"{"exp":null}"#, "", "missing_claim"),
    (#"{"sub":"a"}"#, "require = {}", "ok a"), (#"{"exp":1700000001}"#, "require = { 'exp', 'sub' }", "missing_claim"),
    (#"{"exp":"1700000001"}"#, "", "malformed"), (#"{"exp":true}"#, "", "malformed"),
    (#"{"exp":1e300}"#, "", "malformed"),
    (#"{"exp":1700000001,"nbf":1700000031}"#, "", "not_yet_valid"),
    (#"{"sub":"a","exp":1700000001,"nbf":1700000030}"#, "", "ok a"),
    (#"{"exp":1700000001,"nbf":"0"}"#, "", "malformed"),
    (#"{"exp":1700000001,"iat":1700000031}"#, "", "not_yet_valid"), (#"{"exp":1700000001,"iat":[]}"#, "", "malformed"),
    (#"{"sub":"a","exp":1700000001,"iss":"x"}"#, "", "ok a"),
    (#"{"sub":"a","exp":1700000001,"iss":"x"}"#, "iss = 'x'", "ok a"),
    (#"{"sub":"a","exp":1700000001,"iss":"x"}"#, "iss = { 'y', 'x' }", "ok a"),
    (#"{"exp":1700000001,"iss":"x"}"#, "iss = 'y'", "bad_issuer"), (#"{"exp":1700000001}"#, "iss = 'y'", "bad_issuer"),
    (#"{"exp":1700000001,"iss":["y"]}"#, "iss = 'y'", "bad_issuer"),
    (#"{"sub":"a","exp":1700000001,"aud":"me"}"#, "aud = 'me'", "ok a"),
    (#"{"sub":"a","exp":1700000001,"aud":["you","me"]}"#, "aud = { 'me' }", "ok a"),
    (#"{"exp":1700000001,"aud":"you"}"#, "aud = 'me'", "bad_audience"),
    (#"{"exp":1700000001}"#, "aud = 'me'", "bad_audience"),
    (#"{"exp":1700000001,"aud":"you"}"#, "", "bad_audience"), (#"{"exp":1700000001,"aud":[]}"#, "", "bad_audience"),
    (#"{"exp":1700000001,"aud":[1,{"a":"me"}]}"#, "aud = 'me'", "bad_audience"),
    (#"{"exp":1700000001,"aud":"m"}"#, "aud = 'me'", "bad_audience"),
    (#"{"sub":"a","sub":"b","exp":1700000001}"#, "", "malformed"),
    (#"{"exp":1700000001,"a":{"b":1,"b":2}}"#, "", "malformed"),
    (#"{"exp":1,"\u0065xp":1700000001}"#, "", "malformed"), (#"[1]"#, "", "malformed"), (#""text""#, "", "malformed"),
    ("", "", "malformed"),
    (#"{"exp":1700000001} x"#, "", "malformed"), (#"{"exp":1700000001,}"#, "", "malformed"),
  ])
  func claimsAreChecked(_ claims: String, _ options: String, _ wanted: String) throws {
    #expect(try verify(Self.token(claims), secretOptions(options)) == wanted)
  }

  // MARK: Hostile tokens

  @Test(arguments: [
    (#"{"alg":"none"}"#, "bad_algorithm"), (#"{"alg":"None"}"#, "bad_algorithm"),
    (#"{"alg":"hs256"}"#, "bad_algorithm"),
    (#"{"alg":""}"#, "bad_algorithm"), (#"{"alg":"HS256 "}"#, "bad_algorithm"), (#"{"alg":256}"#, "malformed"),
    (#"{"alg":["HS256"]}"#, "malformed"), (#"{"typ":"JWT"}"#, "malformed"),
    (#"{"alg":"none","alg":"HS256"}"#, "malformed"),
    (#"{"alg":"HS256","crit":["exp"]}"#, "malformed"), (#"{"alg":"HS256","crit":[]}"#, "malformed"),
    (#"{"alg":"HS256","b64":false}"#, "malformed"), (#"{"alg":"HS256","kid":7}"#, "malformed"),
    (#"{"alg":"HS256","kid":{"a":1}}"#, "malformed"), (#"{"alg":"HS512"}"#, "unknown_key"),
    (#"["HS256"]"#, "malformed"),
    (#"{"alg":"HS256""#, "malformed"), (#"{"alg":"HS256"}x"#, "malformed"),
  ])
  func headersAreReadStrictly(_ header: String, _ wanted: String) throws {
    let outcome = try verify(Self.token(#"{"sub":"a","exp":1700000001}"#, header: header), secretOptions())
    #expect(outcome == wanted)
  }

  @Test func oneBrokenKeyOfASetSpoilsNoOther() throws {
    let token = SignedTokens.byAlgorithm[0].token
    let set = SignedTokens.keys.replacing(
      #""keys": ["#,
      with: #""keys": [7, {"kty":"RSA","kid":"short","n":"AQ","e":"AQAB"}, {"kty":"EC","crv":"P-256","x":"!","y":""},"#)
    #expect(try verify(token, "{ keys = cfg.keys, algs = 'RS256', aud = 'tidegate' }", keys: set) == "ok alice")
    // Whoever picks the key that cannot be used is refused like any other.
    let picked = Self.token(#"{"sub":"a","exp":1700000001}"#, header: #"{"alg":"RS256","kid":"short"}"#)
    #expect(try verify(picked, "{ keys = cfg.keys, algs = 'RS256', aud = 'tidegate' }", keys: set) == "unknown_key")
  }

  @Test func shapesThatAreNoTokenAreMalformed() throws {
    let good = Self.token(#"{"sub":"a","exp":1700000001}"#)
    let parts = good.split(separator: ".").map(String.init)
    let wrong = [
      "", ".", "..", "...", "a.b", parts[0], parts[0] + "." + parts[1], parts[0] + "." + parts[1] + ".", good + ".",
      "." + good,
      good + ".x.y", good + "=", good + "\n", " " + good, parts[0] + "=." + parts[1] + "." + parts[2],
      parts[0] + "." + parts[1] + "." + parts[2].dropLast() + "!",
      parts[0] + "." + parts[1] + "." + parts[2].replacing("_", with: "/") + "/",
      String(repeating: "a", count: 20_000), String(repeating: "a.", count: 8_000),
      good + String(repeating: "A", count: 17_000),
      Self.base64(#"{"alg":"HS256","x":""# + String(repeating: "x", count: 5_000) + "\"}") + "." + parts[1] + "."
        + parts[2],
      Self.base64(String(repeating: "[", count: 3_000)) + "." + parts[1] + "." + parts[2], "\u{FF}.\u{FF}.\u{FF}",
    ]
    for token in wrong { #expect(try verify(token, secretOptions()) == "malformed", "\(token.prefix(60))") }
    #expect(try verify(good, secretOptions()) == "ok a")
    for index in good.indices where good[index] != "." {
      var changed = good
      changed.replaceSubrange(index...index, with: good[index] == "A" ? "B" : "A")
      let outcome = try verify(changed, secretOptions())
      #expect(!outcome.hasPrefix("ok"), "\(changed)")
    }
  }

  /// The public key, which everybody has, used as the secret of an HMAC.
  @Test func aPublicKeyIsNoSecret() throws {
    let claims = #"{"sub":"eve","exp":1700000001}"#
    for key in [SignedTokens.rsaPEM, SignedTokens.rsaPEM + "\n"] {
      for header in [#"{"alg":"HS256"}"#, #"{"alg":"HS256","kid":"rsa"}"#] {
        let forged = Self.token(claims, header: header, key: key)
        for keys in ["cfg.keys", "[[\(SignedTokens.rsaPEM)]]"] {
          #expect(
            try verify(forged, "{ keys = \(keys), algs = { 'RS256', 'HS256' } }", keys: SignedTokens.keys)
              == "unknown_key")
          #expect(
            try verify(forged, "{ keys = \(keys), algs = { 'RS256' } }", keys: SignedTokens.keys) == "bad_algorithm")
        }
      }
    }
    #expect(
      try verify(Self.token(claims), "{ secret = [[\(SignedTokens.rsaPEM)]], algs = { 'HS256' } }").contains(
        "the secret is a key in PEM; pass it as keys"))
  }

  @Test func keysAreChosenByNameAndKind() throws {
    let claims = #"{"sub":"a","exp":1700000001}"#
    let k = Self.base64(Self.secret)
    let other = Self.base64(String(Self.secret.reversed()))
    func outcome(_ header: String, _ keys: String) throws -> String {
      try verify(
        Self.token(claims, header: header), "{ keys = cfg.keys, algs = { 'HS256', 'RS256' } }",
        keys: #"{"keys":[\#(keys)]}"#)
    }
    let (named, unnamed) = (#"{"alg":"HS256","kid":"a"}"#, #"{"alg":"HS256"}"#)
    let a = #"{"kty":"oct","kid":"a","k":"\#(k)"}"#
    let b = #"{"kty":"oct","kid":"b","k":"\#(other)"}"#
    #expect(try outcome(named, "\(b),\(a)") == "ok a")
    #expect(try outcome(named, b) == "unknown_key")
    #expect(try outcome(unnamed, a) == "ok a")
    #expect(try outcome(unnamed, "\(a),\(b)") == "unknown_key", "which of the two is not tried out")
    #expect(try outcome(named, #"{"kty":"oct","k":"\#(k)"}"#) == "ok a", "a key without a name is for any")
    #expect(try outcome(named, #"{"kty":"oct","kid":"a","k":"\#(other)"}"#) == "bad_signature")
    #expect(try outcome(named, #"{"kty":"oct","kid":"a","alg":"HS512","k":"\#(k)"}"#) == "unknown_key")
    #expect(try outcome(named, #"{"kty":"oct","kid":"a","use":"enc","k":"\#(k)"}"#) == "unknown_key")
    #expect(try outcome(named, #"{"kty":"oct","kid":"a","key_ops":["sign"],"k":"\#(k)"}"#) == "unknown_key")
    #expect(try outcome(named, #"{"kty":"oct","kid":"a","key_ops":["verify"],"k":"\#(k)"}"#) == "ok a")
    #expect(try outcome(named, #"{"kty":"XYZ","kid":"a"},\#(a)"#) == "ok a", "kinds that are not known are left out")
    #expect(try outcome(named, #"{"kty":"EC","crv":"P-521","kid":"a","x":"AA","y":"AA"},\#(a)"#) == "ok a")
    // A key inside the token is nobody's.
    #expect(try outcome(#"{"alg":"HS256","kid":"z","jwk":\#(a)}"#, b) == "unknown_key")
  }

  // MARK: Options

  @Test(arguments: [
    ("{}", "say which algorithms are allowed"), ("nil", "say which algorithms are allowed"),
    ("{ algs = { 'HS256' } }", "give either keys or secret"),
    ("{ algs = { 'HS256' }, secret = 's', keys = 'k' }", "give either keys or secret"),
    ("{ algs = {}, secret = 's' }", "algs must be a string or a list of strings"),
    ("{ algs = { 'none' }, secret = 's' }", "algs: unknown algorithm none"),
    ("{ algs = { 'HS255' }, secret = 's' }", "unknown algorithm HS255; did you mean HS256?"),
    ("{ algs = { 1 }, secret = 's' }", "algs must be a string or a list of strings"),
    ("{ algs = 'RS256', secret = ('s'):rep(64) }", "a secret is for HS256, HS384 and HS512; the others need keys"),
    ("{ algs = 'HS256', secret = ('s'):rep(31) }", "HS256 needs a secret of at least 32 bytes"),
    ("{ algs = 'HS256', secret = 7 }", "secret must be a secret or a string"),
    ("{ algs = 'HS256', secrt = 's' }", "unknown key secrt; did you mean secret?"),
    ("{ algs = 'HS256', secret = 's', leeway = '11m' }", "leeway must be at most 10 minutes"),
    ("{ algs = 'HS256', secret = 's', leeway = 'x' }", "leeway must be milliseconds or a duration"),
    ("{ algs = 'HS256', secret = 's', aud = {} }", "aud must be a string or a list of strings"),
    ("{ algs = 'RS256', keys = {} }", "keys must be a key set"),
    ("{ algs = 'RS256', keys = 7 }", "keys must be a key set"),
    ("{ algs = 'RS256', keys = { keys = { 7 } } }", "keys: entry 1: a key is a table with kty"),
    ("{ algs = 'RS256', keys = { { kty = 'RSA', n = 'AQ==', e = 'AQAB' } } }", "keys: entry 1: n must be base64url"),
    ("{ algs = 'RS256', keys = { { kty = 'RSA', n = 'AQ', e = 'AQAB', d = 'AQ' } } }", "this is a private key"),
    (
      "{ algs = 'HS256', keys = 'no PEM' }", "a key cannot be used: a key in PEM begins with -----BEGIN PUBLIC KEY-----"
    ),
  ])
  func optionsAreChecked(_ options: String, _ message: String) throws {
    let outcome = try verify(Self.token(#"{"exp":1700000001}"#), options)
    #expect(outcome.contains("tide.jwt.verify: ") && outcome.contains(message), "\(outcome)")
  }

  @Test func weakKeysAreRefused() throws {
    let token = SignedTokens.byAlgorithm[0].token
    let n = Self.base64([UInt8](repeating: 0xFF, count: 128))
    #expect(
      try verify(token, "{ algs = 'RS256', keys = { { kty = 'RSA', n = '\(n)', e = 'AQAB' } } }").contains(
        "a key cannot be used: an RSA key of 1024 bits; it must have from 2048 to 8192"))
    let large = Self.base64([UInt8](repeating: 0xFF, count: 256))
    #expect(
      try verify(token, "{ algs = 'RS256', keys = { { kty = 'RSA', n = '\(large)', e = 'AQ' } } }").contains(
        "the exponent of an RSA key must be odd"))
  }
}

extension String {
  fileprivate func withUTF8Copy<T>(_ body: (UnsafeRawBufferPointer) -> T) -> T {
    var copy = self
    return copy.withUTF8 { body(UnsafeRawBufferPointer($0)) }
  }
}

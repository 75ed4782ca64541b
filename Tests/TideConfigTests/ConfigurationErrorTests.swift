import Testing
import TideCore

@testable import TideConfig

@Suite("Configuration: what is refused, where and how")
struct ConfigurationErrorTests {
  /// Text of the file, and the beginning of the one error it must give.
  static let cases: [(String, String)] = [
    (
      "lisetners: []",
      "1:1 unknown key `lisetners` in the configuration (did you mean `listeners`? allowed here: listeners,"
    ),
    ("[]", "1:1 the configuration must be a map, not a list"),
    ("listeners: []", "1:12 `listeners` is empty"),
    ("listeners: {}", "1:12 `listeners` of the configuration must be a list, not a map"),
    ("listeners: [ {} ]", "1:14 a listener needs an `address`"),
    ("listeners: [ { address: 8080 } ]", "1:25 `address` of a listener must be a string, not a number"),
    ("listeners: [ { address: localhost } ]", "1:25 `address` of a listener is not an address: `localhost`"),
    ("listeners: [ { address: '1.2.3.4:70000' } ]", "1:25 `address` of a listener is not an address"),
    ("listeners: [ { address: '1.2.3:80' } ]", "1:25 `address` of a listener is not an address"),
    ("listeners: [ { address: 'a:1' }, { address: 'a:1' } ]", "1:45 two listeners have the address a:1"),
    (
      "listeners: [ { address: 'a:1', protocols: [h2] } ]",
      "1:44 `h2` cannot be spoken on a listener without TLS (allowed: h2c, http/1.1)"
    ),
    (
      "listeners: [ { address: 'a:1', tls: { certificates: [ { certificate: no.pem, key: no.key } ] } } ]",
      "1:70 `certificate` of a certificate: no such file: /"
    ),
    ("listeners: [ { address: 'a:1', tls: { certificates: [] } } ]", "1:37 `tls` of a listener needs at least one"),
    ("workers: many", "1:10 `workers` must be `auto` or a whole number between 1 and 1024, not `many`"),
    ("workers: 0", "1:10 `workers` must be"),
    (
      "worker_cores: won",
      "1:15 `worker_cores` of the configuration cannot be `won` (did you mean `own`? allowed: any, own)"
    ),
    ("worker_cores: 2", "1:15 `worker_cores` of the configuration must be one of any, own"),
    ("io_uring: of", "1:11 `io_uring` of the configuration cannot be `of` (did you mean `off`? allowed: auto, off)"),
    ("io_uring: true", "1:11 `io_uring` of the configuration must be one of auto, off"),
    ("clusters: [ { engine: {} } ]", "1:13 a cluster needs a `name`"),
    ("clusters: [ { name: a } ]", "1:13 a cluster needs `endpoints` or `engine`"),
    ("clusters: [ { name: by-model, engine: {} } ]", "1:21 a cluster cannot be named `by-model`"),
    ("clusters: [ { name: a, engine: {} }, { name: a, engine: {} } ]", "1:46 two clusters are named `a`"),
    ("clusters: [ { name: 'a b', engine: {} } ]", "1:21 `name` of a cluster is not a name: `a b`"),
    (
      "clusters: [ { name: a, dialect: gemini, engine: {} } ]",
      "1:33 `dialect: gemini` is not supported by this version of tidegate (allowed now: openai, anthropic)"
    ),
    (
      "clusters: [ { name: a, dialect: opnai, engine: {} } ]",
      "1:33 `dialect` of a cluster cannot be `opnai` (did you mean `openai`? allowed: openai, anthropic)"
    ),
    ("clusters: [ { name: a, endpoints: [ { url: ftp://x } ] } ]", "1:44 `url` of an endpoint must begin with http://"),
    (
      "clusters: [ { name: a, endpoints: [ { url: 'http://u:p@x' } ] } ]",
      "1:44 `url` of an endpoint must not hold a user"
    ),
    (
      "clusters: [ { name: a, endpoints: [ { url: 'http://x?a=b' } ] } ]",
      "1:44 `url` of an endpoint must not have a query"
    ),
    ("clusters: [ { name: a, endpoints: [ { url: 'http://x:0' } ] } ]", "1:44 `url` of an endpoint has no valid host"),
    (
      "clusters: [ { name: a, endpoints: [ { url: 'http://x', weight: 0 } ] } ]",
      "1:64 `weight` of an endpoint must lie between"
    ),
    (
      "clusters: [ { name: a, endpoints: [ { url: 'http://x', protocol: h2 } ] } ]",
      "1:66 `h2` needs an https url (for HTTP/2 without TLS write `h2c`)"
    ),
    (
      "clusters: [ { name: a, endpoints: [ { url: 'https://x', protocol: h2c } ] } ]", "1:67 `h2c` needs an http url"
    ),
    (
      "clusters: [ { name: a, engine: {}, timeouts: { idle: 5 } } ]",
      "1:54 `idle` of `timeouts` must be a duration, not `5` (such as 250ms, 5s, 10m, 1h or 1d)"
    ),
    ("clusters: [ { name: a, engine: {}, timeouts: { idle: 5 s } } ]", "1:54 `idle` of `timeouts` must be a duration"),
    (
      "clusters: [ { name: a, engine: {}, timeouts: { idle: 0s } } ]",
      "1:54 `idle` of `timeouts` must lie between 1ms and 7d"
    ),
    (
      "clusters: [ { name: a, engine: { mode: ecko } } ]",
      "1:40 `mode` of `engine` cannot be `ecko` (did you mean `echo`?"
    ),
    ("clusters: [ { name: a, engine: {}, credentials: { bearer: x } } ]", "1:49 `credentials` has no meaning"),
    (
      "clusters: [ { name: a, endpoints: [ { url: 'http://x' } ], credentials: {} } ]",
      "1:73 `credentials` needs `bearer`, or `header` and `value`"
    ),
    (
      "clusters: [ { name: a, endpoints: [ { url: 'http://x' } ], credentials: { bearer: 'file:nothing' } } ]",
      "1:83 `bearer` of `credentials`: /"
    ),
    (
      "clusters: [ { name: a, endpoints: [ { url: 'http://x' } ], credentials: { bearer: \"a\\nb\" } } ]",
      "1:83 `bearer` of `credentials` has characters that a header cannot carry"
    ),
    (
      "clusters: [ { name: a, endpoints: [ { url: 'http://x' } ], credentials: { header: host, value: x } } ]",
      "1:83 `header` of `credentials` cannot be `host`"
    ),
    (
      "clusters: [ { name: a, endpoints: [ { url: 'http://x' } ], tls: { verify: no } } ]",
      "1:75 `verify` of `tls` of a cluster must be true or false, not a string (in YAML 1.2 `yes`"
    ),
    (
      "models: [ { id: a, cluster: enginee } ]",
      "1:29 unknown cluster `enginee` (did you mean `engine`? known: engine)"
    ),
    ("models: [ { cluster: engine } ]", "1:11 a model needs an `id`"),
    ("models: [ { id: a } ]", "1:11 a model needs `targets`, or a `cluster`"),
    ("models: [ { id: a, targets: [] } ]", "1:29 `targets` of a model is empty"),
    ("models: [ { id: a, targets: [ {} ] } ]", "1:31 a target needs a `cluster`"),
    ("models: [ { id: a, cluster: engine }, { id: a, cluster: engine } ]", "1:45 two models have the id `a`"),
    (
      "plugins: { lint: refus }",
      "1:18 `lint` of `plugins` cannot be `refus` (did you mean `refuse`? allowed: refuse, warn, off)"
    ),
    ("plugins: { require_tests: 1 }", "1:27 `require_tests` of `plugins` must be true or false, not a number"),
    ("plugins: { test_timeout: 2h }", "1:26 `test_timeout` of `plugins` must lie between 1ms and 1h, not 2h"),
    ("plugins: { folder: nowhere }", "1:20 `folder` of `plugins`: no such folder: /"),
    ("policies: [ {} ]", "1:13 a policy needs a `use`"),
    ("policies: [ { use: a, config: 1 } ]", "1:31 `config` of a policy must be a map, not a number"),
    ("policies: [ { use: a }, { use: a } ]", "1:25 two bindings are named `a` (give one a name of its own with `as`)"),
    (
      "policies: [ { use: a, failure: { on_segmnt: skip } } ]",
      "1:34 unknown key `on_segmnt` in `failure` (did you mean `on_segment`?"
    ),
    ("policies: [ { use: a, failure: { on_segment: pass } } ]", "1:46 `on_segment` of `failure` cannot be `pass`"),
    ("policies: [ { use: a, when: { modell: x } } ]", "1:31 unknown key `modell` in `when` (did you mean `model`?"),
    ("policies: [ { use: a, when: { not: { modell: x } } } ]", "1:38 unknown key `modell` in `not`"),
    ("policies: [ { use: a, when: { header: x } } ]", "1:39 `header` of `when` must be a map of header names"),
    ("policies: [ { use: a, when: { model: [] } } ]", "1:38 `model` of `when` is an empty list"),
    ("routes: []", "1:9 `routes` is empty"),
    ("routes: [ {} ]", "1:11 a route needs a `name`"),
    ("routes: [ { name: a }, { name: a } ]", "1:32 two routes are named `a`"),
    ("routes: [ { name: a, cluster: by-modle } ]", "1:31 unknown cluster `by-modle` (did you mean `by-model`?"),
    ("routes: [ { name: a, match: { path: v1 } } ]", "1:37 `v1` can match no path"),
    ("routes: [ { name: a, without: [x] } ]", "1:32 `without` names `x`, which no global policy is called"),
    (
      "routes: [ { name: a, on_disconnect: continue } ]",
      "1:37 `on_disconnect: continue` is not supported by this version of tidegate (allowed now: cancel)"
    ),
    (
      "routes: [ { name: a, on_disconnect: { drain: { tokens: 200, time: 2s } } } ]",
      "1:37 `on_disconnect: { drain: ... }` is not supported by this version"
    ),
    ("routes: [ { name: a, unparsed: allow } ]", "1:32 `unparsed` of a route cannot be `allow`"),
    ("limits: { request_body: 10MB }", "1:25 `request_body` of `limits` must be a size, not `10MB`"),
    ("limits: { request_body: 9999999999GiB }", "1:25 `request_body` of `limits` must be a size"),
    ("limits: { stream_buffer: 1B }", "1:26 `stream_buffer` of `limits` must lie between 16KiB and 1MiB, not `1B`"),
    (
      "limits: { policy_memory: 64KiB }",
      "1:26 `policy_memory` of `limits` must lie between 1MiB and 1024GiB, not `64KiB`"
    ),
    ("limits: { connections: many }", "1:24 `connections` of `limits` must be a whole number, not a string"),
    ("store: disk", "1:8 `store` must be `memory` or begin with redis://"),
    ("store: 3", "1:8 `store` of the configuration must be `memory` or `redis://host:6379/0`, not a number"),
    ("store: 'rediss://h:6379/0'", "1:8 `store` cannot be reached by TLS: `rediss://` is not supported"),
    ("store: 'redis://'", "1:8 `store` has no valid host and port"),
    ("store: 'redis://h:70000'", "1:8 `store` has no valid host and port"),
    ("store: 'redis://:hunter2@h:0'", "1:8 `store` has no valid host and port"),
    ("store: 'redis://h/one'", "1:8 `store` has no valid database"),
    ("store: 'redis://h/65536'", "1:8 `store` has no valid database"),
    ("store: 'redis://h/0?ssl=1'", "1:8 `store` must not have a query or fragment"),
    ("store: 'redis://u:p%4@h'", "1:8 `store` has a user or password with a broken escape"),
    ("store: 'redis://u:%+1@h'", "1:8 `store` has a user or password with a broken escape"),
    ("store: 'redis://u:%ff@h'", "1:8 `store` has a user or password with a broken escape"),
    ("store: 'redis://u@h'", "1:8 `store` has a user but no password"),
    ("log: { level: loud }", "1:15 `level` of `log` cannot be `loud`"),
    ("log: { access: stduot }", "1:16 `access` of `log` cannot be `stduot`"),
    ("drain: { timeout: soon }", "1:19 `timeout` of `drain` must be a duration, not `soon`"),
    ("drain: 5s", "1:8 `drain` must be a map, not a string (its keys: timeout)"),
    ("workers: 1\nworkers: 2", "1:1 duplicate key `workers`"),
    ("workers: ${N}", "1:10 the environment variable `N` is not set (set it, or write `${N:-default}`)"),
    ("workers: ${N", "1:10 `${` without `}`"),
    ("workers: ${1}", "1:10 `${1}` is not a variable's name"),
    ("workers: [", "2:1 not valid YAML: "),
  ]

  @Test("each mistake has one message with its position", arguments: cases)
  func message(text: String, expected: String) throws {
    let folder = try ConfigurationFolder()
    let errors = folder.errors(text)
    #expect(errors.first?.hasPrefix(expected) == true, "\(errors)")
    let positions = Set(errors.map { $0.prefix { $0 != " " } })
    #expect(errors.count == 1 || positions.count == errors.count, "\(errors)")
  }

  @Test("all mistakes are told at once, in the order of the file")
  func collected() throws {
    let errors = try ConfigurationFolder().errors(
      """
      workers: many
      clusters:
        - name: a
          endpoints: [ { url: nonsense } ]
          timeuots: {}
      drain: { timeout: soon }
      store: disk
      """)
    #expect(errors.map { String($0.prefix { $0 != " " }) } == ["1:10", "4:25", "5:5", "6:19", "7:8"])
  }

  @Test("a missing file and a folder are named")
  func files() throws {
    let folder = try ConfigurationFolder()
    func message(_ path: String) -> String {
      if case .failure(let failure) = ConfigurationLoader.load(path: path, environment: [:]) {
        return failure.description
      }
      return ""
    }
    #expect(message(folder.path + "/none.yaml") == folder.path + "/none.yaml: error: no such file")
    #expect(message(folder.path) == folder.path + ": error: is a folder, not a file")
  }

  @Test("a secret never stands in a message")
  func secrets() throws {
    let folder = try ConfigurationFolder()
    let errors = folder.errors(
      "clusters: [ { name: a, endpoints: [ { url: 'http://user:hunter2@x:y' } ], credentials: { bearer: \"hunter2\\n\" } } ]"
    )
    #expect(errors.count == 2)
    #expect(!errors.joined().contains("hunter2"))
  }
}

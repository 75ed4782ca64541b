/// The sample of the design, restricted to what this version has.
enum SampleConfiguration {
  static let files = [
    "Config/certs/server.pem": "x", "Config/certs/server.key": "x", "Config/certs/clients.pem": "x",
  ]

  static let text = """
    listeners:
      - address: 127.0.0.1:8080
      - address: 0.0.0.0:8443
        tls:
          certificates: [ { certificate: certs/server.pem, key: certs/server.key, names: [api.example.com] } ]
          client_ca: certs/clients.pem
        protocols: [h2, http/1.1]
    admin:
      address: 127.0.0.1:8081
    workers: 3
    worker_cores: own
    io_uring: off
    clusters:
      - name: openai
        dialect: openai
        endpoints:
          - url: https://api.openai.com
            protocol: auto
            weight: 2
        credentials: { bearer: "${OPENAI_API_KEY}" }
        timeouts: { connect: 4s, first_byte: 61s, idle: 62s, total: 31m }
        max_connections: 128
        tls: { ca: system, server_name: api.openai.com, verify: true }
      - name: local
        dialect: openai
        endpoints: [ { url: "http://127.0.0.1:9000/base/", protocol: h2c } ]
        credentials: { header: X-Api-Key, value: abc }
      - name: engine
        engine: { mode: lorem, interval: 5ms }
    models:
      - { id: fast, targets: [ { cluster: local, model: llama-3.1-8b }, { cluster: openai, model: gpt-4o-mini } ] }
      - { id: "gpt-*", cluster: openai }
      - { id: echo, cluster: engine }
    plugins:
      folder: ../Plugins
      auto: false
      lint: warn
      require_tests: true
      test_timeout: 90s
    policies:
      - use: api-keys
        config: { keys: keys.yaml }
      - use: word-filter
        as: house-style
        when: { model: "gpt-*", tenant: [acme, initech], not: { header: { X-Raw: "1" } } }
        config: { words: { colour: color } }
        failure: { on_segment: skip }
        share: words
    routes:
      - name: chat
        match: { path: /v1/*, method: [post], host: "*", model: "*" }
        cluster: by-model
        default_cluster: local
        policies: [ { use: rate-limit, config: { rate: 60, per: 1m } } ]
        without: [house-style]
        anonymous: true
        unparsed: relay
        on_disconnect: cancel
      - name: rest
        cluster: local
    limits:
      connections: 1000
      request_body: 11MiB
      response_body: 33MiB
      decoded_body: 12MiB
      header_list: 16KiB
      stream_buffer: 32KiB
      policy_memory: 512MiB
    store: memory
    log: { level: debug, format: json, access: ./access.log }
    drain: { timeout: 9m }
    """
}

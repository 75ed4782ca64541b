/// Public keys, and tokens that their private keys signed: for alice of acme, valid from 1,699,999,000 to 1,700,003,600.
/// The private keys are gone.
enum SignedTokens {
  static let keys = #"""
    {
      "keys": [
        {
          "kty": "RSA",
          "kid": "rsa",
          "use": "sig",
          "n": "zrHrLc1AiQiHuR1ZZR9-hWoq23_sbMCAMDl0hIMYCNOtWxa63j6Z283D0WOJVXtGFICGE7Vw8Hd5KxNfndu0rg088yKX6-gUufyarEneNZoIzGmFYLniy6yHYYUvCW12VXzHNlq5KK2Zph2ydk-k7iWKKUe1bgVTkRf5c5X_jBPCCCrBVc96UAOYtllBDmdVfFimBvDSfHpfAv5msDz0k2-bcKbPOhJF_sigu4Vv286_5rQPUjYKtsI8GMULQGAnAsIcb_oZ4EyWy4TaG_dh_zYhaWQuNHOluWKacKNCI3C8we_PEZRP7lzFS5zsy5Bsy8KbmC5JDQvpmw2dEaNbhQ",
          "e": "AQAB"
        },
        {
          "kty": "EC",
          "kid": "p256",
          "crv": "P-256",
          "x": "ExTabeR3O0cg_d6-gRX5x54krowaO9TVn6CktK3tulw",
          "y": "XlPVBxcghoreL3m3K0V1s-TTkD78k2KAMXHN6CFX9XM"
        },
        {
          "kty": "EC",
          "kid": "p384",
          "crv": "P-384",
          "x": "FcKTgtZrDDHsjUnXfEE2uU7wHNpq_hmdBq76-7swMzqZLlWutkBlfwN8EleHXo2u",
          "y": "rH0OJE_9X9A7E3uz4kP5BBkvv9_4eqaVRdUb-Lld7VYZQBX3NqMSrRRcttU_ZC30"
        },
        {
          "kty": "OKP",
          "kid": "ed",
          "crv": "Ed25519",
          "x": "g7qu1AgVkqs6pKC9NO5cj_EIYn2epOiwGuFag1Oqp5k"
        }
      ]
    }
    """#

  /// The RSA key as PEM.
  static let rsaPEM = """
    -----BEGIN PUBLIC KEY-----
    MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAzrHrLc1AiQiHuR1ZZR9+
    hWoq23/sbMCAMDl0hIMYCNOtWxa63j6Z283D0WOJVXtGFICGE7Vw8Hd5KxNfndu0
    rg088yKX6+gUufyarEneNZoIzGmFYLniy6yHYYUvCW12VXzHNlq5KK2Zph2ydk+k
    7iWKKUe1bgVTkRf5c5X/jBPCCCrBVc96UAOYtllBDmdVfFimBvDSfHpfAv5msDz0
    k2+bcKbPOhJF/sigu4Vv286/5rQPUjYKtsI8GMULQGAnAsIcb/oZ4EyWy4TaG/dh
    /zYhaWQuNHOluWKacKNCI3C8we/PEZRP7lzFS5zsy5Bsy8KbmC5JDQvpmw2dEaNb
    hQIDAQAB
    -----END PUBLIC KEY-----
    """

  static let byAlgorithm: [(algorithm: String, token: String)] = [
    (
      "RS256",
      "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjp"
        + "bInRpZGVnYXRlIiwib3RoZXIiXSwic3ViIjoiYWxpY2UiLCJ0ZW5hbnQiOiJhY21lIiwiaWF0IjoxNjk5OTk5MDAwLCJuYmYiOjE2OTk"
        + "5OTkwMDAsImV4cCI6MTcwMDAwMzYwMH0.HnkFRE-hJUWtEiqslWuQVbCYUzxIMhZBDW0ATCtfhPSvLcXxhUNFEHk_KV5uhud7PdTsoR1"
        + "08Jzm5nEMTSXoaia3VwxL7ccrJj-VMG0VA_htNbtFWNI-csVoPO5gpus_WpBkOzJKRprAFDCCz_YVdoMBLc9G7UpZq0jPZmrLWgQfKuw"
        + "avo2edkqrj34SVhm-JFP_GUDk0bcUitoWzKlbIxCQlT0MKKy_aJgbFKJUDuECRe2s6rFPTr4l7K1qBGwxqUNdqFH7imbPuMOauYAZ9Dd"
        + "zNYWH3y1kKzUPso85URuxmGNY2pWvzj1RwRFiC2FEyIL9oQCMnW_WO06fvcyIZQ"
    ),
    (
      "RS384",
      "eyJhbGciOiJSUzM4NCIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjp"
        + "bInRpZGVnYXRlIiwib3RoZXIiXSwic3ViIjoiYWxpY2UiLCJ0ZW5hbnQiOiJhY21lIiwiaWF0IjoxNjk5OTk5MDAwLCJuYmYiOjE2OTk"
        + "5OTkwMDAsImV4cCI6MTcwMDAwMzYwMH0.Jwv99BEmwZLd_ziRiadXiQw3scmJKWiV_BchkUFK0MZSXXRcEzsk3qO1IeWyaErZL5uWcEN"
        + "SwsPiULnevspYz2amiLf_JWgeWVkrotAW4B97TXoJuBWHf64-liIpexZHPBo9MCPt5Eb1H7m1WrATJ_9qTHsoaFk3qY0rj0HHsJl6t92"
        + "kth0MorcVTwHvfjW2QwSuRb56pgUpa9UQzMEghz7MYz9S96xlIGIbGWxX2mZAdIRzuI1Np-t8vcerbrt_ziZgTtdRnJHKbDfGaKNKOtk"
        + "KWnWovH5WT_afdU2oyRFICHIgDTXZXFPNVbvufkc-15l4ej3Piwnbf0NNbmz6Yw"
    ),
    (
      "RS512",
      "eyJhbGciOiJSUzUxMiIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjp"
        + "bInRpZGVnYXRlIiwib3RoZXIiXSwic3ViIjoiYWxpY2UiLCJ0ZW5hbnQiOiJhY21lIiwiaWF0IjoxNjk5OTk5MDAwLCJuYmYiOjE2OTk"
        + "5OTkwMDAsImV4cCI6MTcwMDAwMzYwMH0.nBguonaeZQ-WgHXerPnao4NN--zyeGgCp9ipFknCwRoV_ky3eCYRRsHwrsx2fnrdtM_NqIs"
        + "kDAuX4zCQk0QNP8jVra0RnTixV2i3qUkxxeydbtctGdS535aJHe3Va1cnw7NagHcghI1C9aIw9-EV907wEm4-tS4tb2D4XZEp7TIfdXM"
        + "5LwVxJKxaxegL6yi1k64gs6lWukdrvedm4mCCVAboelkPVYO-olMteLqgz4lYlho1ygq-hWsXqROhBMBLVtcIEBdTdIfQ1UIPMzi14O2"
        + "g3ZiYwhqG42MgJJxq6-1a6jy78wZ8UFru0hWE48q7XiURD8Fs2k1aNh_B5zI2LA"
    ),
    (
      "PS256",
      "eyJhbGciOiJQUzI1NiIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjp"
        + "bInRpZGVnYXRlIiwib3RoZXIiXSwic3ViIjoiYWxpY2UiLCJ0ZW5hbnQiOiJhY21lIiwiaWF0IjoxNjk5OTk5MDAwLCJuYmYiOjE2OTk"
        + "5OTkwMDAsImV4cCI6MTcwMDAwMzYwMH0.vjRny2CLYDOfa54QtoOmnjZMZcLGsuAw8AdH52tY9ta8SFslagermkTBujJfpMIRvgeyGL0"
        + "RHuMvXD2w5m9-ia4QfhvLP1VUV8j6pbPZs8o0pKE_umPTHtNtIYlznxLXHq1cPgbBuCDFPtu5fOaUyc3YmjPuWg61tW5UsouBsiRQDjj"
        + "ArYtOtwv5NcrGf0RgalO5NAF5n4-S75ctu2ie_kuv8_otBxlb52g2TxvR3MmFnDf4a0Xso-wn0GFDtDJPoU9qJzHEq3PnOV0uqL6MVOE"
        + "DBOc4d8KlN_JqbqnAc7RZTbWMuZmjZZauwK_FyUSnuAxMm-_mzOuYS-ZK-nRdDA"
    ),
    (
      "PS384",
      "eyJhbGciOiJQUzM4NCIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjp"
        + "bInRpZGVnYXRlIiwib3RoZXIiXSwic3ViIjoiYWxpY2UiLCJ0ZW5hbnQiOiJhY21lIiwiaWF0IjoxNjk5OTk5MDAwLCJuYmYiOjE2OTk"
        + "5OTkwMDAsImV4cCI6MTcwMDAwMzYwMH0.lFv3ggkPJ75UFION7kDGeHR53_ZIcTQW4iOcTAFF7mxD4RnXgpM0KwVO2SzmbXMwaXm9-qd"
        + "NOQcaM8NtsKR5dGOHuj2-cdFBM1zBvN4CXOR81-jsJnx10THwgHstKQgHTrqSJhuZ2S_ZaF-TdIUEe-ajhJNrJ87C7u_1sJR5eYDQK3b"
        + "E26UXpcpG_tZXBHPy7kMLwbWs5ZIJ5Bg7PS9Mz0uAytvjPZyDGL73jtg9xWeGfo3Hj9o5_SK5TJJguF1c92rqfeqEIJlqH7ZjLgZcGLF"
        + "ZPdbiIoRrZBo0BAwyaEuYWXkV7gH8-9cZ_EwLT2WOhkpt9PNcCzrVU2O_MWFnWg"
    ),
    (
      "PS512",
      "eyJhbGciOiJQUzUxMiIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjp"
        + "bInRpZGVnYXRlIiwib3RoZXIiXSwic3ViIjoiYWxpY2UiLCJ0ZW5hbnQiOiJhY21lIiwiaWF0IjoxNjk5OTk5MDAwLCJuYmYiOjE2OTk"
        + "5OTkwMDAsImV4cCI6MTcwMDAwMzYwMH0.h_AQtFXefcZtN9Ss7FZStb503vxgAFk8TAbGoGG2aOOy4-gTAkV3rUwmtJ7N-rE4h6TfTHV"
        + "8drqzmczumSV7fro3ebg_6SwHVXr7DXvFOtrc78GznQjj2J4csvLYD4vjUlgXgNBrAw0Y4LKCDjDjSXFibJ3XR5ZPRZuZ_Vi8AEyHQFy"
        + "E4tSGrURidawJzWbr9-hs2Z6WjZ3AJXv6p1q1b6LwNS1lo2Bq5xHNpqsCGwO79VLNgh-dAq91f_yNyyEnULNnOJWJunayQwV8_VvwXa-"
        + "woBBQLAChJ_og9JzKqZf0vs-tYzkGf08Ia0UR1xefL4hdDitqNqviWioqukeYmw"
    ),
    (
      "ES256",
      "eyJhbGciOiJFUzI1NiIsImtpZCI6InAyNTYiLCJ0eXAiOiJKV1QifQ.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkI"
        + "jpbInRpZGVnYXRlIiwib3RoZXIiXSwic3ViIjoiYWxpY2UiLCJ0ZW5hbnQiOiJhY21lIiwiaWF0IjoxNjk5OTk5MDAwLCJuYmYiOjE2O"
        + "Tk5OTkwMDAsImV4cCI6MTcwMDAwMzYwMH0.qPDWAjsORTor7PiIwrYiqWUUGkvNjtKZi4BbYHfAFjSNokDDG5BtJbhaQqu15h05cVAme"
        + "kdpMPa1AGjno9v8yQ"
    ),
    (
      "ES384",
      "eyJhbGciOiJFUzM4NCIsImtpZCI6InAzODQiLCJ0eXAiOiJKV1QifQ.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkI"
        + "jpbInRpZGVnYXRlIiwib3RoZXIiXSwic3ViIjoiYWxpY2UiLCJ0ZW5hbnQiOiJhY21lIiwiaWF0IjoxNjk5OTk5MDAwLCJuYmYiOjE2O"
        + "Tk5OTkwMDAsImV4cCI6MTcwMDAwMzYwMH0.GgCizdxpJfXFSUfWNpdyYEPj-uaOCrPhZcrrQxnQK6J_KoXMtYWbbWsFbtWTUAsSgj0Un"
        + "EG7SFqWT0jbWbwyjpBbwqK6EtSnA_jb_b02BpTwXwYdPAjHkvBJZeE17kHl"
    ),
    (
      "EdDSA",
      "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkIiwidHlwIjoiSldUIn0.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjpb"
        + "InRpZGVnYXRlIiwib3RoZXIiXSwic3ViIjoiYWxpY2UiLCJ0ZW5hbnQiOiJhY21lIiwiaWF0IjoxNjk5OTk5MDAwLCJuYmYiOjE2OTk5"
        + "OTkwMDAsImV4cCI6MTcwMDAwMzYwMH0.PK3rWAzGyx6nUhBrRDxoHEqkPw066aGcfiZEDlAo8syApwDerjcsDxfobakSFxAu3kebjnbF"
        + "3p7v8WcZYoJzAQ"
    ),
  ]
}

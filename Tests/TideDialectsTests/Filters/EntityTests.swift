import Testing

@testable import TideDialects

@Suite struct EntityTests {
  func masked(_ kinds: [EntityKind], _ text: String) throws -> String {
    let filters = try FilterSet([FilterDeclaration(.mask(kinds: kinds, with: "[{kind}]"))])
    return String(decoding: filtered(filters, bytes(text)).output, as: UTF8.self)
  }

  /// Each text, once as it is masked and once as it stays.
  func check(
    _ kind: EntityKind, found: [String], not: [String],
    beside: [(String, String)] = [("", ""), ("see ", "."), ("(", ")"), ("é ", " and on"), (",", ",")]
  ) throws {
    let filters = try FilterSet([.mask(kind)])
    for entity in found {
      for (left, right) in beside {
        let text = bytes(left + entity + right)
        let expected = bytes(left + "[\(kind.name)]" + right)
        #expect(filtered(filters, text).output == expected, "\(left)\(entity)\(right)")
        for cut in 0...text.count {
          #expect(filtered(filters, text, cuts: [cut]).output == expected, "\(entity) cut at \(cut)")
        }
      }
    }
    for text in not { #expect(String(decoding: filtered(filters, bytes(text)).output, as: UTF8.self) == text) }
  }

  @Test func mailAddresses() throws {
    try check(
      .email,
      found: [
        "bob@example.com", "a.b+c@mail.example.co.uk", "x_y-z%1@sub.domain.org", "UPPER@EXAMPLE.COM",
        "o'neil@example.ie",
        "bob@xn--bcher-kva.example", "1@2.de",
      ],
      not: [
        "bob@example", "bob at example.com", "@example.com", "bob@.com", "a..b@-", "bob.@example.com", "bob@example.c",
        "bob@exa mple.com",
      ])
    #expect(try masked([.email], "mailto:bob@example.com?subject=x") == "mailto:[email]?subject=x")
    #expect(try masked([.email], "a@b.com,c@d.org") == "[email],[email]")
    #expect(try masked([.email], "éa@b.com") == "é[email]")
  }

  @Test func bankAccounts() throws {
    try check(
      .iban,
      found: [
        "DE89370400440532013000", "DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432", "NO93 8601 1117 947",
        "MT84MALT011000012345MTLCAST001S", "FR14 2004 1010 0505 0001 3M02 606",
      ],
      not: [
        "DE89370400440532013001", "DE8937040044053201300", "XX89370400440532013000", "DE89 3704 0044 0532 0130 01",
        "de89370400440532013000", "xDE89370400440532013000", "DE893704004405320130001",
      ])
  }

  @Test func paymentCards() throws {
    try check(
      .card,
      found: [
        "4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111", "378282246310005", "3782 822463 10005",
        "3782-822463-10005", "5555555555554444", "4222222222222", "6011000990139424", "2223003122003222",
      ],
      not: [
        "4111111111111112", "4111 1111 1111 1112", "4444444444444444444444", "1111111111111111", "411111111111111",
        "x4111111111111111", "4111-1111 1111-1111", "0000000000000000",
      ])
  }

  @Test func telephoneNumbers() throws {
    try check(
      .phone,
      found: [
        "+49 30 901820", "+14155552671", "+1 (415) 555-2671", "(415) 555-2671", "415-555-2671", "+44 20 7946 0958",
        "+49.170.1234567",
      ],
      not: ["4155552671", "2024-11-24", "+1234", "415-155-2671", "3.141592653", "++14155552671"])
  }

  @Test func networkAddresses() throws {
    try check(
      .ip,
      found: [
        "192.168.0.1", "255.255.255.255", "2001:db8::1", "::ffff:192.0.2.1", "fe80::1",
        "2001:0db8:0:0:0:ff00:0042:8329", "::1",
      ],
      not: [
        "256.1.1.1", "1.2.3", "std::string", "a::b", "12:34", "12:34:56", "1:2:3:4:5:6:7", "::", "dead:beef", ":::1",
      ])
    #expect(try masked([.ip], "1.2.3.4.5") == "1.2.3.4.5" || masked([.ip], "1.2.3.4.5") == "[ip].5")
  }

  @Test func keysWithWhateverFollowsThem() throws {
    let sk = "sk-proj-" + String(repeating: "aB3_", count: 30)
    try check(
      .key,
      found: [
        "AKIAIOSFODNN7EXAMPLE", sk, "ghp_" + String(repeating: "x1", count: 18),
        "glpat-" + String(repeating: "y", count: 20),
        "xoxb-1234567890-abc", "AIza" + String(repeating: "Q", count: 35), "hf_" + String(repeating: "z", count: 34),
        "sk_live_" + String(repeating: "4", count: 24),
      ], not: ["AKIAIOSFODNN7EXAMPL", "sk-short", "task-force-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "ghp_x"])
    try check(
      .jwt,
      found: ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"],
      not: ["eyJhbGciOiJIUzI1NiJ9", "eyJh.eyJ"], beside: [("", ""), ("(", ")"), ("token: ", " and on")])
    let body = String(repeating: "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n", count: 20)
    #expect(
      try masked([.pem], "key: -----BEGIN RSA PRIVATE KEY-----\n\(body)-----END RSA PRIVATE KEY----- done")
        == "key: [pem]-----END RSA PRIVATE KEY----- done")
  }

  @Test func placeholdersHaveTheFormThatRestoreLooksFor() throws {
    let filters = try FilterSet([FilterDeclaration(.restore(map: "pii"))])
    for kind in EntityKind.allCases {
      let found = filtered(filters, bytes("a \(Placeholder.text(kind, 12)) b"))
      #expect(
        found.asked == ["placeholder:\(Placeholder.text(kind, 12))"]
          && found.output == bytes("a \(Placeholder.text(kind, 12)) b"))
    }
  }
}

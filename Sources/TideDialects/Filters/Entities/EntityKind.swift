/// What `mask` knows how to find.
public enum EntityKind: UInt8, Sendable, BitwiseCopyable, CaseIterable {
  /// An e-mail address in ASCII.
  case email
  /// An international bank account number: the country's length and the checksum hold.
  case iban
  /// The number of a payment card, in one piece or grouped as printed: the checksum holds.
  case card
  /// A telephone number with its country code, or a North American one with separators.
  case phone
  /// An IPv4 or IPv6 address.
  case ip
  /// An API key or access token of a well-known form.
  case key
  /// A signed JSON web token.
  case jwt
  /// A private key in PEM form.
  case pem

  /// The name in Lua, and in templates and placeholders.
  public var name: String {
    switch self {
    case .email: "email"
    case .iban: "iban"
    case .card: "card"
    case .phone: "phone"
    case .ip: "ip"
    case .key: "key"
    case .jwt: "jwt"
    case .pem: "pem"
    }
  }

  public init?(name: String) {
    guard let kind = Self.allCases.first(where: { $0.name == name }) else { return nil }
    self = kind
  }
}

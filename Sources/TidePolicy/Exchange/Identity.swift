/// Who the client is, as a policy's `tide.identity` said.
public struct Identity: Sendable, Equatable {
  public var keyID: String?
  public var tenant: String?
  public var user: String?
  /// Whatever else the policy knows: tokens' claims, a key's models.
  public var claims: PolicyValue

  public init(keyID: String? = nil, tenant: String? = nil, user: String? = nil, claims: PolicyValue = .map([])) {
    self.keyID = keyID
    self.tenant = tenant
    self.user = user
    self.claims = claims
  }
}

import TideCore

/// One key that tokens may be signed with: of a JWK (RFC 7517), of PEM, or a secret.
struct JSONWebKey: Equatable {
  /// Its `kid`.
  var id: String?
  /// The only algorithm that it is for; nil for any of its kind.
  var algorithm: String?
  var material: KeyMaterial

  static let keysMax = 64

  /// The keys of an option: a set `{ keys = {...} }`, a list, one JWK, or PEM. Keys that are for something else or of a kind
  /// that is not known are left out, as section 5 says; of a set, which somebody else publishes, broken ones as well, unless all are.
  static func list(_ value: PolicyValue, isSet: Bool = false) throws(HostError) -> [JSONWebKey] {
    if let text = value.text { return [JSONWebKey(material: .pem(text))] }
    if let set = value["keys"] { return try list(set, isSet: true) }
    if value["kty"] != nil { return try list(.array([value])) }
    guard let elements = value.elements, !elements.isEmpty else {
      throw HostError("keys must be a key set { keys = {...} }, a list of keys, or a public key in PEM")
    }
    guard elements.count <= keysMax else { throw HostError("keys: at most \(keysMax)") }
    var keys: [JSONWebKey] = []
    var problem: HostError?
    for (index, element) in elements.enumerated() {
      do throws(HostError) {
        if let text = element.text {
          keys.append(JSONWebKey(material: .pem(text)))
        } else if let key = try read(element) {
          keys.append(key)
        }
      } catch {
        problem = problem ?? HostError("keys: entry \(index + 1): \(error.message)")
      }
    }
    if let problem, !isSet || keys.isEmpty { throw problem }
    return keys
  }

  /// Nil for a key that is not for checking signatures or of a kind that is not known.
  private static func read(_ value: PolicyValue) throws(HostError) -> JSONWebKey? {
    guard value.entries != nil, let type = value["kty"]?.text else { throw HostError("a key is a table with kty") }
    if let use = value["use"], use.text != "sig" { return nil }
    if let operations = value["key_ops"]?.elements, !operations.contains(.string("verify")) { return nil }
    if type != "oct", value["d"] != nil {
      throw HostError("this is a private key; verifying needs the public one only")
    }
    func bytes(_ name: String) throws(HostError) -> [UInt8] {
      guard var text = value[name]?.text,
        let decoded = text.withUTF8({ Base64.decode(UnsafeRawBufferPointer($0), .url) })
      else { throw HostError("\(name) must be base64url") }
      return decoded
    }
    let material: KeyMaterial
    switch (type, value["crv"]?.text) {
    case ("oct", _): material = .secret(try bytes("k"))
    case ("RSA", _): material = .rsa(modulus: try bytes("n"), exponent: try bytes("e"))
    case ("EC", "P-256"): material = .p256(x: try bytes("x"), y: try bytes("y"))
    case ("EC", "P-384"): material = .p384(x: try bytes("x"), y: try bytes("y"))
    case ("OKP", "Ed25519"): material = .ed25519(try bytes("x"))
    default: return nil
    }
    return JSONWebKey(id: value["kid"]?.text, algorithm: value["alg"]?.text, material: material)
  }
}

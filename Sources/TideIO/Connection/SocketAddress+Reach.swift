/// What kind of network an address lies in, for calls whose host somebody else may have a hand in (robustness, "SSRF").
extension SocketAddress {
  /// On the public internet: in none of the ranges that are local, private, reserved, or lead somewhere else by translation.
  public var isPublic: Bool {
    if !isIPv6 { return Self.isPublic(ipv4 ?? 0) }
    // Mapped, compatible, translated and tunnelled forms carry another address: nobody's public service is named by one.
    if embedded != nil { return false }
    let top = UInt64(bigEndian: high)
    let first = top >> 48
    // Global unicast is 2000::/3, less what is set aside in it.
    guard first >> 13 == 1 else { return false }
    let isDocumentation = top >> 32 == 0x2001_0db8 || top >> 44 == 0x3fff_0
    let isSpecial = top >> 41 == 0x2001_0000 >> 9
    return !isDocumentation && !isSpecial
  }

  /// Never to be called on a policy's word, whoever wrote the host: valid on one link only, a cloud's metadata service, no single
  /// host, or nothing.
  public var isNeverCalled: Bool {
    if !isIPv6 { return Self.isNeverCalled(ipv4 ?? 0) }
    if let embedded { return Self.isNeverCalled(embedded) }
    let top = UInt64(bigEndian: high)
    let bottom = UInt64(bigEndian: low)
    let isMetadata = top == 0xfd00_0ec2_0000_0000 && bottom == 0x254
    return isLinkLocal || isMetadata || top >> 56 == 0xff || top == 0 && bottom == 0 || top >> 54 == 0xfec0 >> 6
  }

  /// The IPv4 address inside an IPv6 one: mapped, compatible, NAT64, 6to4. `::` and `::1` are their own.
  private var embedded: UInt32? {
    let top = UInt64(bigEndian: high)
    let bottom = UInt64(bigEndian: low)
    if top == 0, bottom >> 32 == 0xffff || bottom >> 32 == 0 && bottom > 1 || bottom >> 32 == 0xffff_0000 {
      return UInt32(truncatingIfNeeded: bottom)
    }
    if top == 0x0064_ff9b_0000_0000, bottom >> 32 == 0 { return UInt32(truncatingIfNeeded: bottom) }
    if top >> 16 == 0x0064_ff9b_0001 { return UInt32(truncatingIfNeeded: bottom) }
    if top >> 48 == 0x2002 { return UInt32(truncatingIfNeeded: top >> 16) }
    return nil
  }

  private static func isNeverCalled(_ address: UInt32) -> Bool {
    // 168.63.129.16, 100.100.100.200 and 192.0.0.192 are metadata services outside 169.254/16.
    address >> 16 == 0xa9fe || address >> 24 == 0 || address >> 28 >= 0xe || address == 0xa83f_8110
      || address == 0x6464_64c8 || address == 0xc000_00c0
  }

  private static func isPublic(_ address: UInt32) -> Bool {
    if isNeverCalled(address) { return false }
    let ranges: [(prefix: UInt32, bits: UInt32)] = [
      (0x0a00_0000, 8), (0x6440_0000, 10), (0x7f00_0000, 8), (0xac10_0000, 12), (0xc000_0000, 24), (0xc000_0200, 24),
      (0xc058_6300, 24), (0xc0a8_0000, 16), (0xc612_0000, 15), (0xc633_6400, 24), (0xcb00_7100, 24),
    ]
    return !ranges.contains { address >> (32 - $0.bits) == $0.prefix >> (32 - $0.bits) }
  }
}

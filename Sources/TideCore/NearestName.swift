/// Finds what a user probably meant: the candidate within two edits (and a third of the length) of `name`.
///
/// Names of a file come from its author, who may be anybody: what is too long for a name has none near it.
public func nearestName(to name: String, among candidates: some Sequence<String>) -> String? {
  let wanted = Array(name.lowercased().utf8)
  guard wanted.count <= 256 else { return nil }
  let distanceMax = max(2, wanted.count / 3)
  var best: (name: String, distance: Int)?
  for candidate in candidates where candidate.utf8.count <= 1_024 {
    let letters = Array(candidate.lowercased().utf8)
    // As many edits as the lengths differ by are the least.
    guard abs(letters.count - wanted.count) <= distanceMax else { continue }
    let distance = editDistance(wanted, letters)
    if distance < best?.distance ?? Int.max { best = (candidate, distance) }
  }
  guard let best, best.distance <= distanceMax else { return nil }
  return best.name
}

private func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
  var row = Array(0...b.count)
  for (i, x) in a.enumerated() {
    var diagonal = row[0]
    row[0] = i + 1
    for (j, y) in b.enumerated() {
      let cost = min(row[j] + 1, row[j + 1] + 1, diagonal + (x == y ? 0 : 1))
      diagonal = row[j + 1]
      row[j + 1] = cost
    }
  }
  return row[b.count]
}

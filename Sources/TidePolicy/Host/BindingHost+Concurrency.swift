import TideCore
import TideLua

/// `tide.limit.concurrent`: places that an exchange holds until it ends.
extension BindingHost {
  /// Of one exchange.
  private static let placesMax = 32

  func takePlace(_ arguments: LuaArguments, _ results: inout LuaResults) throws(HostError) -> HostCallStatus {
    let function = "tide.limit.concurrent"
    let text = try storeKey(arguments[0], function)
    guard let written = arguments[1].integer, written >= 0, let maximum = Int(exactly: written) else {
      throw HostError("\(function): the maximum must be a whole number from 0")
    }
    guard let exchange = current else {
      throw HostError("\(function): there is no exchange here that could hold a place")
    }
    guard text.utf8.count <= SharedStore.keyBytesMax else {
      return Self.keyTooLong
    }
    let key = SharedStore.Key(space: limitSpace.id, text: text)
    let held = exchange.places.first { $0.key == key }
    guard held != nil || exchange.places.count < Self.placesMax else {
      throw HostError("\(function): an exchange holds at most \(Self.placesMax) places")
    }
    if limits != nil {
      let shared = LimitKey(owner: owner, text: text)
      let place = held ?? HeldPlace(key: key, shared: shared, member: placeName())
      wanted = .limit(
        LimitWish(operation: .acquire(shared, maximum: maximum, member: place.member), grant: .place(place)))
      return .yield
    }
    var isAllowed = true
    let remaining: Int
    if held != nil {
      // Who asks again already has one.
      remaining = store.concurrency.remaining(key, maximum: maximum)
    } else {
      (isAllowed, remaining) = store.concurrency.acquire(key, maximum: maximum)
      if isAllowed { exchange.places.append(HeldPlace(key: key)) }
    }
    results.append(
      LuaValue.map([
        (.text("ok"), .boolean(isAllowed)), (.text("remaining"), .integer(Int64(remaining))),
      ]))
    return .ok
  }

  /// Tells a place from all others, whichever gateway holds them.
  private func placeName() -> String {
    let words = [services.random(), services.random()]
    return Self.hex(words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * UInt64($0))) } })
  }

  static var keyTooLong: HostCallStatus {
    .returnsNilError(code: "bad_value", message: SharedStore.StoreError.tooLarge.message)
  }
}

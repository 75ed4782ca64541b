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
      return .returnsNilError(code: "bad_value", message: SharedStore.StoreError.tooLarge.message)
    }
    let key = SharedStore.Key(space: limitSpace.id, text: text)
    var isAllowed = true
    let remaining: Int
    if exchange.places.contains(key) {
      // Who asks again already has one.
      remaining = store.concurrency.remaining(key, maximum: maximum)
    } else {
      guard exchange.places.count < Self.placesMax else {
        throw HostError("\(function): an exchange holds at most \(Self.placesMax) places")
      }
      (isAllowed, remaining) = store.concurrency.acquire(key, maximum: maximum)
      if isAllowed { exchange.places.append(key) }
    }
    results.append(
      LuaValue.map([
        (.text("ok"), .boolean(isAllowed)), (.text("remaining"), .integer(Int64(remaining))),
      ]))
    return .ok
  }
}

import TideCore
import TideDialects
import TideLua

/// Phases after the last byte.
extension PolicyRun {
  /// Leaves `on_log` to the worker's queue. What it returns and how it fails changes nothing. One that waits goes on by itself. Where too
  /// many are queued or wait, further ones are dropped.
  public func runLog() {
    abandon()
    releasePlaces()
    let list = isFixed ? active : candidates.filter { context.matches(worker.machines[$0].binding.when) }
    for index in list.reversed() where worker.machines[index].binding.hooks.contains(.onLog) {
      let byteCount = queuedLogCount == 0 ? context.requestSize : 0
      // Counted first: who is told of the queue's first call may look.
      queuedLogCount += 1
      worker.queuedLogCount += 1
      if worker.logs.add(self, binding: index, byteCount: byteCount) { continue }
      dequeue()
      worker.machines[index].metrics[Int(HookName.onLog.rawValue)].dropped &+= 1
    }
  }

  private func dequeue() {
    queuedLogCount -= 1
    worker.queuedLogCount -= 1
  }

  /// The queue has come to this exchange's call.
  func makeLog(_ index: Int) {
    let machine = worker.machines[index]
    if worker.logWaitCount < PolicyWorker.logWaitsMax {
      _ = call(machine, .onLog)
    } else {
      machine.metrics[Int(HookName.onLog.rawValue)].dropped &+= 1
    }
    dequeue()
    if hasEnded, !isLogging { release() }
  }

  /// Whether calls of `on_log` are queued or wait.
  var isLogging: Bool { queuedLogCount > 0 || !logWaits.isEmpty }

  /// Ends the hook that waits, if one does: nobody wants its decision any more.
  public func abandon() {
    onDecision = nil
    wait?.cancel()
    wait = nil
  }

  /// Gives everything back, once the calls of `on_log` that are queued or wait have ended. Later calls do nothing; `ctx` kept by a script is
  /// stale from then on.
  public func end() {
    guard !hasEnded else { return }
    hasEnded = true
    abandon()
    releasePlaces()
    processor?.end()
    processor = nil
    if !isLogging { release() }
  }

  func release() {
    // A log that went on may have taken some.
    releasePlaces()
    for index in slots.indices {
      guard let slot = slots[index] else { continue }
      let machine = worker.machines[index]
      machine.host.contexts.remove(slot.handle)
      if slot.epoch == machine.epoch { release(slot, machine) }
      machine.relieve(budgetNs: 200_000)
    }
    slots = []
    active = []
    candidates = []
  }

  /// Gives back what the exchange holds of `tide.limit`, however it ended.
  private func releasePlaces() {
    for place in context.places {
      if let shared = place.shared {
        worker.limits?.deliver(.release(shared, member: place.member))
      } else {
        worker.stores.concurrency.release(place.key)
      }
    }
    context.places.removeAll()
    processor?.stopDrawing()
    if !context.reservations.isEmpty { settleReservations() }
  }

  /// Makes the budgets agree with the exchange's usage. An answer whose usage nobody knows costs what was reserved for it, and an exchange
  /// that no engine answered costs nothing.
  private func settleReservations() {
    let services = worker.blueprint.services
    let moment = TokenBudget.Moment(monotonic: services.now(), wallMs: Int(services.wallClockMs()))
    let isAnswered = context.response.map { $0.source == .upstream && $0.status < 400 } ?? false
    for reservation in context.reservations {
      let cost = context.usage.map(reservation.cost) ?? (isAnswered ? reservation.taken : 0)
      if let shared = reservation.shared {
        if let settling = reservation.settling(cost, of: shared) { worker.limits?.deliver(settling) }
        continue
      }
      do throws(SharedStore.StoreError) {
        try worker.stores.settle(
          reservation.debits, cost: cost, of: reservation.key, reservation.budget, at: moment)
      } catch {
        services.log(
          PolicyLogEntry(
            level: .error, binding: "", exchangeID: context.id,
            message: "\(cost) tokens could not be booked: \(error.message)"))
      }
    }
    context.reservations = []
  }

  private func release(_ slot: Slot, _ machine: BindingMachine) {
    machine.machine.release(slot.context)
    if let variables = slot.variables { machine.machine.release(variables) }
  }
}

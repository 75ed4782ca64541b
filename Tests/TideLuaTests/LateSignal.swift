import CLuaShim

/// Sends this thread the watchdog's signal after its call has ended.
func lateSignal() { tide_guard_send_late_signal() }

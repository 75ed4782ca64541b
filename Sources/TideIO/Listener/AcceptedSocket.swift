/// A socket just accepted: non-blocking, close-on-exec, with the listener's options. Whoever gets it closes it or makes a
/// connection of it.
public struct AcceptedSocket: Sendable {
  public let descriptor: Int32
  public let peer: SocketAddress

  public init(descriptor: Int32, peer: SocketAddress) {
    self.descriptor = descriptor
    self.peer = peer
  }
}

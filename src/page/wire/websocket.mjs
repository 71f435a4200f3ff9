// Engine.IO packets over a WebSocket: one packet, one frame.

/** The address of the engine on the server that the page came from. */
function address() {
  const url = new URL('/socket.io/?EIO=4&transport=websocket', location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  return url;
}

export class WebSocketTransport {
  static name = 'websocket';
  #socket;

  start({ onPacket, onClose }) {
    this.#socket = new WebSocket(address());
    this.#socket.onmessage = ({ data }) => onPacket(data);
    this.#socket.onclose = () => onClose('the connection was closed');
  }

  send(packet) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(packet);
  }

  close() {
    const socket = this.#socket;
    if (!socket) return;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
  }
}

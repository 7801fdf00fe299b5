// A WebSocket server on ws that echoes and compresses: websocket_node.js PORT. SIGTERM ends it; then it prints what it
// counted, by connection. Bytes are left out: compressed ones are those of the wire.
const WebSocket = require("ws");
const rows = [];
const server = new WebSocket.Server({ port: Number(process.argv[2]), host: "127.0.0.1", perMessageDeflate: { threshold: 0 } });
server.on("connection", (socket, request) => {
  const row = { path: request.url, messages: [0, 0], code: 0 };
  rows.push(row);
  socket.on("message", (message, binary) => {
    row.messages[0]++;
    socket.send(message, { binary }, () => row.messages[1]++);
  });
  socket.on("close", (code) => (row.code = code));
});
process.on("SIGTERM", () => {
  console.log(JSON.stringify(rows));
  process.exit(0);
});

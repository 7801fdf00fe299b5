// A service on an event loop: chain_node.js PORT [STOCK_PORT]. It answers after a few milliseconds, and with a stock
// behind it asks that first, while it serves others. Each path ends with an id; the call carries it on.
const http = require("http");
const [port, stock] = process.argv.slice(2).map(Number);
const pause = () => new Promise((done) => setTimeout(done, 1 + Math.random() * 6));
const ask = (path) => new Promise((done, failed) => {
  http.get({ port: stock, path, agent: false }, (answer) => answer.resume().on("end", done)).on("error", failed);
});
http.createServer(async (request, response) => {
  const id = request.url.split("/").pop();
  await pause();
  if (stock) await ask(`/stock/async/${id}`);
  response.end("ok\n");
}).listen(port, "127.0.0.1");

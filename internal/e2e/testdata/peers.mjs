// Independent peers: npm's ws, eventsource and standardwebhooks. The script prints a line
// of JSON for everything that happens.
import { createRequire } from "node:module";
import { createServer } from "node:http";

const require = createRequire(process.env.PEERS + "/");
const { WebSocket } = require("ws");
const { EventSource } = require("eventsource");
const { Webhook } = require("standardwebhooks");

const say = (what) => console.log(JSON.stringify(what));
const base = process.argv[3];

switch (process.argv[2]) {
  case "live": {
    const socket = new WebSocket(base.replace("http", "ws") + "/ws/entity-sync/");
    socket.on("open", () => {
      socket.send(JSON.stringify({ action: "subscribe", body: { entity: "items", id: "100" } }));
      say({ socket: "open" });
    });
    socket.on("message", (m) => say({ socket: JSON.parse(m.toString()) }));
    socket.on("close", (code) => say({ socket: "closed", code }));
    const stream = new EventSource(base + "/live?entity=items&id=100");
    stream.onmessage = (m) => say({ stream: JSON.parse(m.data) });
    break;
  }
  case "receive": { // a target that verifies
    let secret = "";
    const server = createServer((req, res) => {
      const chunks = [];
      req.on("data", (c) => chunks.push(c));
      req.on("end", () => {
        const body = Buffer.concat(chunks).toString();
        if (req.url === "/secret") {
          secret = body;
        } else {
          try {
            say({ verified: new Webhook(secret).verify(body, req.headers), id: req.headers["webhook-id"] });
          } catch (e) {
            say({ refused: String(e) });
          }
        }
        res.end();
      });
    });
    server.listen(0, "127.0.0.1", () => say({ port: server.address().port }));
    break;
  }
  case "send": { // a source that signs
    const [, , , , secret, path] = process.argv;
    const body = JSON.stringify({ data: { 12: { name: "Älpha", priority: 7 } } });
    const id = "msg_from_npm";
    const at = new Date();
    const headers = {
      "webhook-id": id, "webhook-timestamp": String(Math.floor(at.getTime() / 1000)), "webhook-signature": new Webhook(secret).sign(id, at, body),
      "content-type": "application/json",
    };
    for (let i = 0; i < 2; i++) {
      const answer = await fetch(base + path, { method: "POST", headers, body });
      say({ status: answer.status, body: await answer.json() });
    }
    const forged = await fetch(base + path, { method: "POST", headers, body: body.replace("7", "8") });
    say({ status: forged.status });
  }
}

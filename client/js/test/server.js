// A server whose answers a test chooses.
import { createServer } from "node:http";

/** Starts a server at a free port, and closes it with the test. */
export async function serve(t, listener) {
  const server = createServer(listener);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  }));
  return "http://127.0.0.1:" + server.address().port;
}

/** Starts a server that gives the answers one after the other, and the last one from then on. */
export async function answering(t, ...answers) {
  const requests = [];
  const url = await serve(t, async (req, res) => {
    const parts = [];
    for await (const part of req) parts.push(part);
    requests.push({ method: req.method, url: req.url, headers: req.headers, body: Buffer.concat(parts) });
    const answer = answers[Math.min(requests.length, answers.length) - 1];
    if (typeof answer === "function") return answer(req, res);
    res.writeHead(answer.status ?? 200, { "Content-Type": "application/json", ...answer.headers });
    res.end(typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body ?? {}));
  });
  return { url, requests };
}

// @ts-check
// Headgate's live client: a WebSocket that reconnects by itself, with jitter, and
// subscribes again with the versions that it has. Where WebSockets do not get through,
// it falls back to an event stream. It has no dependencies.
//
// The server has it at /live/client.js; it is also in the npm package @headgate/client.
//
//   import { connect } from "/live/client.js";
//   const live = connect();
//   const off = live.subscribe("items", "100", (change) => console.log(change));

/**
 * A change of an entity.
 * @typedef {{type: "entity"|"current"|"gone"|"resync", entity: string, id?: string, version?: string, data?: any, encoding?: "base64", deleted?: boolean}} Change
 *
 * @typedef {{entity: string, id: string, version: string, began: boolean, handlers: Set<(c: Change) => void>}} Subscription
 *
 * @typedef {object} Options
 * @property {string} [base] Headgate's URL; default: the page's. Outside of a browser it must be given
 * @property {string} [path] the WebSocket's path; default: /ws/entity-sync/
 * @property {string} [token] sent as access_token
 * @property {string} [secret] sent as the client's secret
 * @property {"auto"|"websocket"|"sse"} [transport] default: auto
 * @property {typeof globalThis.WebSocket} [WebSocket] default: the global one, which Node has from 22 on
 * @property {(state: "connecting"|"open"|"closed", transport: string) => void} [onState]
 * @property {(frame: any) => void} [onError] gets error frames
 */

const FIRST_WAIT = 250;
const LONGEST_WAIT = 15000;
/** The client falls back to an event stream after this many sockets that did not open. */
const SOCKETS_TRIED = 2;
/** The same once a socket has opened. Then most likely the server is down, and an event stream would fail, too. */
const SOCKETS_TRIED_AGAIN = 10;
/** Both transports have been tried after this many failures. */
const BOTH_TRIED = SOCKETS_TRIED + 1;
/** Milliseconds of silence after which the client sends a frame that the server answers: browsers hide the server's pings. */
const QUIET = 45000;
/** Milliseconds of silence after which the connection counts as dead. */
const SILENCE = 70000;

/** @param {Options} [options] */
export function connect(options = {}) {
  const base = new URL(options.base ?? globalThis.location.href);
  const Socket = options.WebSocket ?? globalThis.WebSocket;
  const Stream = globalThis.EventSource; // Node has none: there the client tries sockets only
  if (!Socket) throw new TypeError("headgate: there is no WebSocket here, as in Node before 22: give one as the option WebSocket, as in connect({ base, WebSocket }) with that of the package ws");
  /** @type {Map<string, Subscription>} */
  const subscriptions = new Map();
  const key = (/** @type {string} */ entity, /** @type {string} */ id) => entity + "\u0000" + id;
  /** @type {WebSocket|EventSource|null} */
  let connection = null;
  let transport = options.transport === "sse" ? "sse" : "websocket";
  let failures = 0;
  let through = false; // a socket has opened once
  let reached = false; // a connection of any kind has opened once
  let told = false;
  let stopped = false;
  /** @type {any} */
  let timer = null;
  /** @type {any} */
  let watchdog = null;
  /** @type {any} */
  let prober = null;

  const state = (/** @type {"connecting"|"open"|"closed"} */ s) => options.onState?.(s, transport);

  const address = (/** @type {string} */ path, /** @type {string} */ scheme) => {
    const u = new URL(path, base);
    u.protocol = scheme === "ws" ? (base.protocol === "https:" ? "wss:" : "ws:") : base.protocol;
    if (options.token) u.searchParams.set("access_token", options.token);
    return u;
  };

  const heard = () => {
    quiet();
    prober = setTimeout(() => send({ action: "unsubscribe", body: { entity: "headgate/nothing", id: "-" } }), QUIET); // the server answers it
    watchdog = setTimeout(() => {
      connection?.close();
      if (Stream && connection instanceof Stream) again(); // unlike a socket, it has no close event
    }, SILENCE);
  };

  const quiet = () => {
    clearTimeout(watchdog);
    clearTimeout(prober);
  };

  /** @param {any} frame */
  const take = (frame) => {
    heard();
    switch (frame.type) {
      case "subscribed": {
        // A pattern gets changes only. After a reconnection, the handlers must read what they missed.
        const s = subscriptions.get(key(frame.entity, frame.id));
        if (s?.id !== "*") break;
        if (s.began) for (const handler of s.handlers) handler({ type: "resync", entity: s.entity, id: "*" });
        s.began = true;
        break;
      }
      case "entity": case "current": case "gone": case "resync": {
        for (const s of subscriptions.values()) {
          if (s.entity !== frame.entity || (s.id !== frame.id && s.id !== "*")) continue;
          if (s.id === frame.id && frame.version) s.version = frame.version;
          for (const handler of s.handlers) handler(frame);
        }
        break;
      }
      case "bye":
        clearTimeout(timer);
        wait = frame.reconnectAfterMs;
        break;
      case "error":
        options.onError?.(frame);
    }
  };

  /** Says once that a server of another origin cannot be reached. Browsers do not tell a page why. */
  const unreachable = () => {
    const own = globalThis.location?.origin;
    if (told || !own || own === base.origin) return;
    told = true;
    const message = `${base.origin} cannot be reached from a page of ${own}: the server is down, or its configuration does not list ${own} in cors.allowedOrigins`;
    if (options.onError) options.onError({ type: "error", code: "unavailable", message });
    else console.error("headgate: " + message);
  };

  let wait = 0;
  const again = () => {
    if (stopped) return;
    connection = null;
    quiet();
    state("closed");
    failures++;
    if (!reached && failures >= BOTH_TRIED) unreachable();
    const longest = Math.min(FIRST_WAIT * 2 ** Math.min(failures - 1, 10), LONGEST_WAIT);
    const after = wait || longest / 2 + Math.random() * longest / 2;
    wait = 0;
    clearTimeout(timer);
    timer = setTimeout(open, after);
  };

  const send = (/** @type {any} */ frame) => {
    if (connection instanceof Socket && connection.readyState === 1) connection.send(JSON.stringify(frame));
  };

  const ask = (/** @type {Subscription} */ s) => {
    send({ action: "subscribe", body: s.id === "*" ? { entity: s.entity, id: s.id } : { entity: s.entity, id: s.id, have: s.version } });
  };

  const openSocket = () => {
    const u = address(options.path ?? "/ws/entity-sync/", "ws");
    u.searchParams.set("protocol", "2");
    const socket = new Socket(u);
    connection = socket;
    let opened = false;
    socket.onopen = () => {
      opened = through = reached = true;
      failures = 0;
      heard();
      if (options.secret) send({ action: "secret", body: options.secret });
      for (const s of subscriptions.values()) ask(s);
      state("open");
    };
    socket.onmessage = (m) => take(JSON.parse(m.data));
    socket.onclose = socket.onerror = () => { // the WebSocket of Node 20 does not close after an error
      if (connection !== socket) return;
      if (!opened && Stream && options.transport !== "websocket" && failures + 1 >= (through ? SOCKETS_TRIED_AGAIN : SOCKETS_TRIED)) transport = "sse";
      again();
    };
  };

  const openStream = () => {
    clearTimeout(timer); // of a retry: this is it
    quiet();
    const named = [...subscriptions.values()].slice(0, 50);
    if (named.length === 0) { // nothing to stream yet
      connection = null;
      return;
    }
    const u = address("/live", "http");
    /** @type {Record<string, string>} */
    const have = {};
    for (const s of named) {
      u.searchParams.append("entity", s.entity);
      u.searchParams.append("id", s.id);
      if (s.version) have[key(s.entity, s.id)] = s.version;
    }
    const bytes = new TextEncoder().encode(JSON.stringify(have));
    u.searchParams.set("lastEventId", btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, ""));
    const stream = new Stream(u);
    connection = stream;
    let opened = false;
    stream.onopen = () => {
      opened = reached = true;
      failures = 0;
      heard();
      state("open");
    };
    stream.onmessage = (m) => take(JSON.parse(m.data));
    stream.addEventListener("ping", heard);
    stream.onerror = () => {
      if (connection !== stream) return;
      stream.close(); // by itself it would reconnect with the versions of its first request
      if (!opened && options.transport !== "sse") transport = "websocket"; // streams fail as well
      again();
    };
  };

  let anew = false;
  /** Opens a new stream with all subscriptions, once for the calls of one turn of the event loop. */
  const streamAnew = () => {
    if (anew) return;
    anew = true;
    queueMicrotask(() => {
      anew = false;
      if (stopped) return;
      connection?.close();
      openStream();
    });
  };

  const open = () => {
    if (stopped) return;
    state("connecting");
    if (transport === "sse") openStream(); else openSocket();
  };

  open();

  return {
    /**
     * Calls handler with the entity's present state, and then with every change. The
     * id "*" stands for all entities of the type; its handler gets changes only.
     * @param {string} entity
     * @param {string} id
     * @param {(c: Change) => void} handler
     * @returns {() => void} a function that ends the subscription
     */
    subscribe(entity, id, handler) {
      const k = key(entity, id);
      let s = subscriptions.get(k);
      if (!s) {
        s = { entity, id, version: "", began: false, handlers: new Set() };
        subscriptions.set(k, s);
        if (transport === "sse") streamAnew(); else ask(s);
      }
      s.handlers.add(handler);
      return () => {
        const now = subscriptions.get(k);
        if (!now || !now.handlers.delete(handler) || now.handlers.size > 0) return;
        subscriptions.delete(k);
        if (transport === "sse") streamAnew(); else send({ action: "unsubscribe", body: { entity, id } });
      };
    },
    /** The transport that is in use now. */
    get transport() { return transport; },
    close() {
      stopped = true;
      clearTimeout(timer);
      quiet();
      connection?.close();
      connection = null;
      state("closed");
    },
  };
}

/**
 * Remembers which messages were handled, in the place where the work is done. Tx is the
 * handle that makes the work a part of the same commit, such as a database's transaction.
 *
 * once calls work with a transaction, and commits what work did together with eventID. If
 * eventID was committed before, it does not call work. If work fails, it commits nothing, and
 * rejects with that error. Of several calls at the same time with one eventID, from any
 * number of processes, only one may commit: the others wait for it, or fail.
 * @template [Tx=void]
 * @typedef {{once(eventID: string, work: (tx: Tx) => Promise<void>): Promise<unknown>}} Store
 */
/**
 * Returns a store in this process's memory. It is for one process, and what it remembers ends
 * with it: a message that is delivered again after that is handled again.
 * @param {number} [most] how many messages it remembers
 * @returns {Store<void>}
 */
export function memoryStore(most?: number): Store<void>;
/**
 * @template Tx
 * @typedef {object} Consumer
 * @property {Store<Tx>} store
 * @property {(message: Message, tx: Tx) => unknown} handle what it does in the store's
 *   transaction is done exactly once. If it throws, the message is delivered again later, and
 *   never again after a PermanentError
 * @property {import("./retry.js").Gate} [gate] reads the whole message behind a claim check.
 *   Only this address is asked, whichever one the message names, so that the token goes
 *   nowhere else; it needs the role read. Without it, a claim check fails, and is delivered again
 * @property {string | string[]} [secrets] of a target with a secret: then only requests that
 *   one of them signed are taken. Pub/Sub does not sign: there, have the platform check its ID token
 * @property {(error: unknown, message: Message | null) => void} [report] is told of every
 *   failure; default: console.error
 */
/**
 * Returns a function that handles a message that Pub/Sub pushes, wrapped or not, or that a
 * target of Headgate's sends by HTTP. It answers 204 if the message is handled, was handled
 * before or can never be, and 503 if it should be delivered again. With secrets it answers
 * 401 to a request that is not signed.
 *
 * The function takes and returns what fetch does, as servers of Deno, Bun, Hono and workers
 * want it. For node:http and Express, see nodeListener.
 * @template [Tx=void]
 * @param {Consumer<Tx>} consumer
 * @returns {(request: Request) => Promise<Response>}
 */
export function consumePush<Tx = void>(consumer: Consumer<Tx>): (request: Request) => Promise<Response>;
/**
 * Makes a listener of node:http, Express or the Functions Framework of a function that
 * consumePush returns.
 * @param {(request: Request) => Promise<Response>} handler
 */
export function nodeListener(handler: (request: Request) => Promise<Response>): (/** @type {any} */ req: any, /** @type {any} */ res: any) => Promise<void>;
/**
 * Remembers which messages were handled, in the place where the work is done. Tx is the
 * handle that makes the work a part of the same commit, such as a database's transaction.
 *
 * once calls work with a transaction, and commits what work did together with eventID. If
 * eventID was committed before, it does not call work. If work fails, it commits nothing, and
 * rejects with that error. Of several calls at the same time with one eventID, from any
 * number of processes, only one may commit: the others wait for it, or fail.
 */
export type Store<Tx = void> = {
    once(eventID: string, work: (tx: Tx) => Promise<void>): Promise<unknown>;
};
export type Consumer<Tx> = {
    store: Store<Tx>;
    /**
     * what it does in the store's
     * transaction is done exactly once. If it throws, the message is delivered again later, and
     * never again after a PermanentError
     */
    handle: (message: Message, tx: Tx) => unknown;
    /**
     * reads the whole message behind a claim check.
     * Only this address is asked, whichever one the message names, so that the token goes
     * nowhere else; it needs the role read. Without it, a claim check fails, and is delivered again
     */
    gate?: import("./retry.js").Gate | undefined;
    /**
     * of a target with a secret: then only requests that
     * one of them signed are taken. Pub/Sub does not sign: there, have the platform check its ID token
     */
    secrets?: string | string[] | undefined;
    /**
     * is told of every
     * failure; default: console.error
     */
    report?: ((error: unknown, message: Message | null) => void) | undefined;
};
export type Message = import("./message.js").Message;

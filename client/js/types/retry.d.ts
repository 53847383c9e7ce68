/**
 * Where Headgate is.
 * @typedef {object} Gate
 * @property {string} url as in "https://gate.example.com", or of one of its services, as in "https://gate.example.com/services/orders"
 * @property {string | (() => string | Promise<string>)} [token] a bearer token, or a function that is called before each attempt
 * @property {typeof globalThis.fetch} [fetch] makes the calls; default: the global one
 */
/**
 * @typedef {object} Patience
 * @property {AbortSignal} [signal] ends the attempts
 * @property {number} [timeout] milliseconds for all attempts; default: five minutes
 */
/**
 * Says whether a request may be sent again after an answer of this status, and after how
 * many milliseconds at the earliest.
 * @param {number} status 0: there was no answer
 * @param {{get(name: string): string | null}} headers
 * @param {number} [now] the client's clock
 * @returns {{retry: boolean, after: number}}
 */
export function retryOf(status: number, headers: {
    get(name: string): string | null;
}, now?: number): {
    retry: boolean;
    after: number;
};
/**
 * Sends a request until its answer is final, and returns the answer's text. The same request
 * must be harmless if it arrives twice.
 * @param {Gate} gate
 * @param {string} path
 * @param {{method: string, headers?: Record<string, string>, body?: BodyInit}} request
 * @param {Patience} [patience]
 * @returns {Promise<string>}
 */
export function exchange(gate: Gate, path: string, request: {
    method: string;
    headers?: Record<string, string>;
    body?: BodyInit;
}, patience?: Patience): Promise<string>;
/**
 * Where Headgate is.
 */
export type Gate = {
    /**
     * as in "https://gate.example.com", or of one of its services, as in "https://gate.example.com/services/orders"
     */
    url: string;
    /**
     * a bearer token, or a function that is called before each attempt
     */
    token?: string | (() => string | Promise<string>) | undefined;
    /**
     * makes the calls; default: the global one
     */
    fetch?: typeof fetch | undefined;
};
export type Patience = {
    /**
     * ends the attempts
     */
    signal?: AbortSignal | undefined;
    /**
     * milliseconds for all attempts; default: five minutes
     */
    timeout?: number | undefined;
};

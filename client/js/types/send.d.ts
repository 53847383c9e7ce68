/** @typedef {import("./retry.js").Gate} Gate */
/** @typedef {import("./retry.js").Patience} Patience */
/**
 * What is sent.
 * @typedef {object} Event
 * @property {string} [eventKey] the endpoint that takes the event
 * @property {string} [feed] in place of eventKey: a feed, whose routes choose the endpoint
 * @property {string | Uint8Array<ArrayBuffer> | ArrayBuffer} [body] any bytes; a text is sent as UTF-8
 * @property {unknown} [json] in place of body: a value that is sent as JSON
 * @property {string} [contentType] of the body; default: of a text text/plain, of bytes application/octet-stream
 * @property {string} [idempotencyKey] names the event: events of an endpoint with the same
 *   name count once. Default: a new name, which all attempts of this call have. Give one that
 *   you keep if you may send the event again after send has failed or your process ended.
 * @property {Record<string, string>} [headers] further headers, which are kept with the event
 */
/**
 * What the server says about an event. The event is durable, or filtered or dropped say why
 * it is not kept.
 * @typedef {object} Receipt
 * @property {string} [id] of the event
 * @property {string} [eventKey] the endpoint that took it
 * @property {string} [receivedAt] RFC 3339
 * @property {boolean} [duplicate] an event of this name was stored before, perhaps by an attempt whose answer was lost
 * @property {boolean} [filtered] the endpoint's filter does not want it
 * @property {string} [dropped] noKey, late or noRoute: why it counts in no window
 * @property {string} [deadLetter] why it goes to the dead letters
 * @property {boolean} [superseded] another event with the same distinct value counts
 * @property {string | null} [triggered] the eventID of the message that this request released
 * @property {boolean} [published] whether the bus has that message already
 */
/**
 * Sends an event, and resolves once the server has stored it. It tries again while the server
 * cannot be reached, restarts or is busy, with growing random pauses and not before a
 * Retry-After. An event that arrived in several attempts counts once.
 *
 * It rejects with a HeadgateError if the server refuses the event, with the signal's reason
 * if that ends the attempts, or with the last failure as the cause if the time is over. After
 * the latter two, the event may have been stored.
 * @param {Gate} gate
 * @param {Event} event
 * @param {Patience} [patience]
 * @returns {Promise<Receipt>}
 */
export function send(gate: Gate, event: Event, patience?: Patience): Promise<Receipt>;
/**
 * Sends a batch as send sends an event, in as many requests as its size needs. An item that
 * the server refuses does not stop the others: see its result. If the call rejects, send the
 * same batch again, under the same idempotencyKey or as CloudEvents, and no item counts twice.
 * @param {Gate} gate
 * @param {Batch} batch
 * @param {Patience} [patience]
 * @returns {Promise<{results: Result[], triggered: string[]}>} triggered are the eventIDs of the messages that it released
 */
export function sendBatch(gate: Gate, batch: Batch, patience?: Patience): Promise<{
    results: Result[];
    triggered: string[];
}>;
export type Gate = import("./retry.js").Gate;
export type Patience = import("./retry.js").Patience;
/**
 * What is sent.
 */
export type Event = {
    /**
     * the endpoint that takes the event
     */
    eventKey?: string | undefined;
    /**
     * in place of eventKey: a feed, whose routes choose the endpoint
     */
    feed?: string | undefined;
    /**
     * any bytes; a text is sent as UTF-8
     */
    body?: string | ArrayBuffer | Uint8Array<ArrayBuffer> | undefined;
    /**
     * in place of body: a value that is sent as JSON
     */
    json?: unknown;
    /**
     * of the body; default: of a text text/plain, of bytes application/octet-stream
     */
    contentType?: string | undefined;
    /**
     * names the event: events of an endpoint with the same
     * name count once. Default: a new name, which all attempts of this call have. Give one that
     * you keep if you may send the event again after send has failed or your process ended.
     */
    idempotencyKey?: string | undefined;
    /**
     * further headers, which are kept with the event
     */
    headers?: Record<string, string> | undefined;
};
/**
 * What the server says about an event. The event is durable, or filtered or dropped say why
 * it is not kept.
 */
export type Receipt = {
    /**
     * of the event
     */
    id?: string | undefined;
    /**
     * the endpoint that took it
     */
    eventKey?: string | undefined;
    /**
     * RFC 3339
     */
    receivedAt?: string | undefined;
    /**
     * an event of this name was stored before, perhaps by an attempt whose answer was lost
     */
    duplicate?: boolean | undefined;
    /**
     * the endpoint's filter does not want it
     */
    filtered?: boolean | undefined;
    /**
     * noKey, late or noRoute: why it counts in no window
     */
    dropped?: string | undefined;
    /**
     * why it goes to the dead letters
     */
    deadLetter?: string | undefined;
    /**
     * another event with the same distinct value counts
     */
    superseded?: boolean | undefined;
    /**
     * the eventID of the message that this request released
     */
    triggered?: string | null | undefined;
    /**
     * whether the bus has that message already
     */
    published?: boolean | undefined;
};
export type Batch = {
    /**
     * the endpoint that takes the events
     */
    eventKey?: string | undefined;
    /**
     * in place of eventKey: a feed, whose routes choose the endpoints
     */
    feed?: string | undefined;
    /**
     * each becomes the body of an event, as JSON
     */
    items: unknown[];
    /**
     * the items are CloudEvents in the JSON format: their source
     * and id name them, unless idempotencyKey is given
     */
    cloudEvents?: boolean | undefined;
    /**
     * names the batch, and so each item by its place in it: a
     * batch that you send again must have the same items. Default: a new name, as for send
     */
    idempotencyKey?: string | undefined;
    /**
     * further headers, which are kept with each event
     */
    headers?: Record<string, string> | undefined;
};
/**
 * What the server says about an item: status is 200, or what the item would have got alone,
 * and then error says why.
 */
export type Result = Receipt & {
    status: number;
    error?: string;
};

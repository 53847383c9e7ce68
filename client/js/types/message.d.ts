/**
 * Decodes a message. It ignores fields that it does not know, so that a field which Headgate
 * adds stops no message. It throws a PermanentError.
 * @param {string | Uint8Array | ArrayBuffer} data
 * @returns {Message}
 */
export function parseMessage(data: string | Uint8Array | ArrayBuffer): Message;
/**
 * Decodes the body of a request by which Pub/Sub pushes a message, wrapped or not, or by
 * which a target of Headgate's sends it. It throws a PermanentError.
 * @param {string | Uint8Array | ArrayBuffer} body
 * @returns {Message}
 */
export function parsePush(body: string | Uint8Array | ArrayBuffer): Message;
/**
 * Returns the bytes that the source sent; none in a claim check.
 * @param {PublishedEvent} event
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function bodyOf(event: PublishedEvent): Uint8Array<ArrayBuffer>;
/**
 * What Headgate publishes, in any of its formats: those of EventSync have fewer fields.
 */
export type Message = {
    /**
     * the same at each delivery
     */
    eventID: string;
    /**
     * when its events were taken, RFC 3339
     */
    date: string;
    serviceName: string;
    /**
     * window or none
     */
    triggerType: string;
    /**
     * what the events share
     */
    correlationKey?: string | undefined;
    /**
     * why it was published: complete, partial, manual or deadLetter
     */
    completion?: string | undefined;
    /**
     * why a single event went to the dead letters
     */
    reason?: string | undefined;
    /**
     * what the window lacked
     */
    missing?: {
        eventKey: string;
        have: number;
        need: number;
    }[] | undefined;
    /**
     * the times between which it was open
     */
    window?: {
        opened: string;
        closes: string;
    } | undefined;
    /**
     * says that this is a claim check: the events have no content, or are left out
     */
    contentURL?: string | undefined;
    /**
     * by eventKey, also of endpoints that have none
     */
    events: Record<string, EventList>;
    /**
     * those of the Pub/Sub message, where it came with them
     */
    attributes?: Record<string, string> | undefined;
};
/**
 * What Headgate publishes, in any of its formats: those of EventSync have fewer fields.
 */
export type EventList = {
    firstEventDate?: string | undefined;
    lastEventDate?: string | undefined;
    /**
     * in the window, however many are sent
     */
    numberOfEvents: number;
    minNbOfOccurrence?: number | undefined;
    /**
     * ALL, FIRST, LAST or BOUNDARIES: which of them are in events
     */
    eventToSend?: string | undefined;
    /**
     * in the order of their receipt
     */
    events?: PublishedEvent[] | undefined;
};
/**
 * What Headgate publishes, in any of its formats: those of EventSync have fewer fields.
 */
export type PublishedEvent = {
    id?: string | undefined;
    datetime: string;
    eventKey: string;
    /**
     * without credentials
     */
    headers?: Record<string, string[]> | undefined;
    queryParams?: Record<string, string[]> | undefined;
    rawQuery?: string | undefined;
    /**
     * the headers and parameters that were dropped
     */
    redacted?: string[] | undefined;
    /**
     * see bodyOf
     */
    content?: string | undefined;
    contentEncoding?: "base64" | undefined;
    httpMethod?: string | undefined;
    /**
     * the attributes, if it was one
     */
    cloudEvent?: Record<string, unknown> | undefined;
    /**
     * what a
     * push said about its message, if content is the push's data
     */
    pubsub?: {
        subscription?: string;
        messageId?: string;
        publishTime?: string;
        orderingKey?: string;
        attributes?: Record<string, string>;
    } | undefined;
};

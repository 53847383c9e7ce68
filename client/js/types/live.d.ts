/** @param {Options} [options] */
export function connect(options?: Options): {
    /**
     * Calls handler with the entity's present state, and then with every change. The
     * id "*" stands for all entities of the type; its handler gets changes only.
     * @param {string} entity
     * @param {string} id
     * @param {(c: Change) => void} handler
     * @returns {() => void} a function that ends the subscription
     */
    subscribe(entity: string, id: string, handler: (c: Change) => void): () => void;
    /** The transport that is in use now. */
    readonly transport: string;
    close(): void;
};
/**
 * A change of an entity.
 */
export type Change = {
    type: "entity" | "current" | "gone" | "resync";
    entity: string;
    id?: string;
    version?: string;
    data?: any;
    encoding?: "base64";
    deleted?: boolean;
};
/**
 * A change of an entity.
 */
export type Subscription = {
    entity: string;
    id: string;
    version: string;
    began: boolean;
    handlers: Set<(c: Change) => void>;
};
/**
 * A change of an entity.
 */
export type Options = {
    /**
     * Headgate's URL; default: the page's. Outside of a browser it must be given
     */
    base?: string | undefined;
    /**
     * the WebSocket's path; default: /ws/entity-sync/
     */
    path?: string | undefined;
    /**
     * sent as access_token
     */
    token?: string | undefined;
    /**
     * sent as the client's secret
     */
    secret?: string | undefined;
    /**
     * default: auto
     */
    transport?: "auto" | "websocket" | "sse" | undefined;
    /**
     * default: the global one, which Node has from 22 on
     */
    WebSocket?: {
        new (url: string | URL, protocols?: string | string[]): WebSocket;
        prototype: WebSocket;
        readonly CONNECTING: 0;
        readonly OPEN: 1;
        readonly CLOSING: 2;
        readonly CLOSED: 3;
    } | undefined;
    onState?: ((state: "connecting" | "open" | "closed", transport: string) => void) | undefined;
    /**
     * gets error frames
     */
    onError?: ((frame: any) => void) | undefined;
};

/** @typedef {Headers | Record<string, string | string[] | undefined>} AnyHeaders fetch's headers, or those of Node */
/** @param {AnyHeaders} headers @param {string} name in lower case */
export function headerOf(headers: AnyHeaders, name: string): string;
/** @param {string | Uint8Array | ArrayBuffer} body */
export function bytesOf(body: string | Uint8Array | ArrayBuffer): Uint8Array<ArrayBufferLike>;
/** Returns null if the text is not padded base64: atob takes more than that. @param {string} text */
export function bytesOfBase64(text: string): Uint8Array<ArrayBuffer> | null;
/**
 * fetch's headers, or those of Node
 */
export type AnyHeaders = Headers | Record<string, string | string[] | undefined>;

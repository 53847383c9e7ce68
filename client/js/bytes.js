// @ts-check

/** @typedef {Headers | Record<string, string | string[] | undefined>} AnyHeaders fetch's headers, or those of Node */

/** @param {AnyHeaders} headers @param {string} name in lower case */
export function headerOf(headers, name) {
  if (headers instanceof Headers) return headers.get(name) ?? "";
  for (const [one, value] of Object.entries(headers)) {
    if (one.toLowerCase() === name) return (Array.isArray(value) ? value[0] : value) ?? "";
  }
  return "";
}

/** @param {string | Uint8Array | ArrayBuffer} body */
export function bytesOf(body) {
  if (typeof body === "string") return new TextEncoder().encode(body);
  return body instanceof ArrayBuffer ? new Uint8Array(body) : body;
}

/** Returns null if the text is not padded base64: atob takes more than that. @param {string} text */
export function bytesOfBase64(text) {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return null;
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

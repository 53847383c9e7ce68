/** An answer of the server that says no. */
export class HeadgateError extends Error {
    /**
     * @param {number} status
     * @param {{title?: string, detail?: string, instance?: string, errors?: {path: string, message: string}[]}} problem
     */
    constructor(status: number, problem: {
        title?: string;
        detail?: string;
        instance?: string;
        errors?: {
            path: string;
            message: string;
        }[];
    });
    /** The status of HTTP, such as 400. */
    status: number;
    /** What is wrong, in a sentence for a person. */
    detail: string;
    /** Each fault of what was sent, where there may be several. */
    errors: {
        path: string;
        message: string;
    }[];
    /** The request's id in the server's log. */
    instance: string;
}
/**
 * An error that another delivery of a message would not change. consumePush acknowledges the
 * message, and reports the error.
 */
export class PermanentError extends Error {
    /** @param {string} message @param {ErrorOptions} [options] */
    constructor(message: string, options?: ErrorOptions);
}

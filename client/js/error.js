// @ts-check

/** An answer of the server that says no. */
export class HeadgateError extends Error {
  /**
   * @param {number} status
   * @param {{title?: string, detail?: string, instance?: string, errors?: {path: string, message: string}[]}} problem
   */
  constructor(status, problem) {
    super(`headgate answers ${status}${problem.title ? " " + problem.title : ""}${problem.detail ? ": " + problem.detail : ""}`);
    this.name = "HeadgateError";
    /** The status of HTTP, such as 400. */
    this.status = status;
    /** What is wrong, in a sentence for a person. */
    this.detail = problem.detail ?? "";
    /** Each fault of what was sent, where there may be several. */
    this.errors = problem.errors ?? [];
    /** The request's id in the server's log. */
    this.instance = problem.instance ?? "";
  }
}

/**
 * An error that another delivery of a message would not change. consumePush acknowledges the
 * message, and reports the error.
 */
export class PermanentError extends Error {
  /** @param {string} message @param {ErrorOptions} [options] */
  constructor(message, options) {
    super(message, options);
    this.name = "PermanentError";
  }
}

// One shape for everything that can go wrong: the pool's faults, the agent's, and the browser's own errors.

/**
 * @typedef {object} Fault
 * @property {string} category
 * @property {string} code
 * @property {string} message
 * @property {string} [hint]
 */

/** An error with a category, a code and a hint, like those that the pool throws. */
export class PageError extends Error {
  /**
   * @param {string} category One of the pool's categories.
   * @param {string} code Stable kebab-case code.
   * @param {string} message What failed and why.
   * @param {string} [hint] The next thing to try.
   */
  constructor(category, code, message, hint) {
    super(message);
    this.name = "PageError";
    this.category = category;
    this.code = code;
    this.hint = hint;
  }
}

/**
 * The fault that an exception stands for; the browser's own errors become category `internal`, code `exception`.
 * @returns {Fault}
 */
export function faultOf(cause) {
  const message = String(cause?.message ?? cause);
  if (typeof cause?.code === "string" && typeof cause?.category === "string") {
    const fault = { category: cause.category, code: cause.code, message };
    return cause.hint ? { ...fault, hint: cause.hint } : fault;
  }
  return { category: "internal", code: "exception", message };
}

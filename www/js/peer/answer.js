// What the workers of peer engines have in common: one message in, one answer out.

/** Whole microseconds since `started`, a time of `performance.now()`. */
export function microsSince(started) {
  return Math.round((performance.now() - started) * 1000);
}

/**
 * Answers every message with what its kind's function gives; what it throws becomes `{ error }`.
 * @param {Record<string, (body: object) => Promise<object>>} answers
 */
export function answerWith(answers) {
  self.onmessage = async ({ data: { kind, ...body } }) => {
    try {
      const answer = await answers[kind](body);
      self.postMessage(
        answer,
        Object.values(answer.outputs ?? {}).map(({ data: { buffer } }) => buffer),
      );
    } catch (cause) {
      self.postMessage({ error: String(cause?.message ?? cause) });
    }
  };
}

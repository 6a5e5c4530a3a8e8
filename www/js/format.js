// Numbers as people read them: always with a unit.

/** `23.4 MB`; decimal units, as download sizes are quoted. */
export function bytes(count) {
  if (count < 1000) return `${count} B`;
  const units = ["kB", "MB", "GB"];
  let value = count / 1000;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 100 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** `8.2 ms`, `1.34 s`; an en dash when the phase did not happen. */
export function micros(count) {
  if (count === undefined || count === null) return "–";
  if (count < 1000) return `${Math.round(count)} µs`;
  if (count < 100_000) return `${(count / 1000).toFixed(1)} ms`;
  if (count < 1_000_000) return `${Math.round(count / 1000)} ms`;
  return `${(count / 1e6).toFixed(2)} s`;
}

/** `1 job`, `2 jobs`. */
export function count(n, noun) {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

/** The middle value; `undefined` for no values. */
export function median(values) {
  if (values.length === 0) return undefined;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** `14:03:07`, local time. */
export function clock(unixMicros) {
  return new Date(unixMicros / 1000).toLocaleTimeString([], { hour12: false });
}

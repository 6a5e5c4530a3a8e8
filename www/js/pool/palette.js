// One colour for each model, the same in every part of the live view.

const N_COLORS = 6;
/** @type {Map<string, number>} */
const indices = new Map();

/** The CSS custom property that holds the colour of a model, e.g. `--series-2`. */
export function seriesOf(model) {
  if (!indices.has(model)) indices.set(model, indices.size % N_COLORS);
  return `--series-${indices.get(model) + 1}`;
}

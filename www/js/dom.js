// The few DOM verbs that every view uses.

/**
 * Finds the one element that must exist; the caller knows which kind of element it is.
 * @param {string} selector
 * @param {ParentNode} [root]
 * @returns {any}
 */
export function find(selector, root = document) {
  const element = root.querySelector(selector);
  if (!(element instanceof Element)) throw new Error(`the page has no ${selector}`);
  return element;
}

/**
 * A copy of what stands in a template.
 * @param {string} selector
 * @returns {HTMLElement}
 */
export function copyTemplate(selector) {
  return find(selector).content.firstElementChild.cloneNode(true);
}

/**
 * Makes an element; children may be text.
 * @param {string} tag
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/**
 * Writes text only when it differs, so that a live view does not disturb selections and screen readers.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * The colour behind a CSS custom property, e.g. `--accent`, as a canvas understands it. Asking for the property itself would
 * give `light-dark(…)` as it is written, so the canvas wears the colour and says what came of it.
 * @param {HTMLCanvasElement} canvas
 * @param {string} property
 */
export function cssColor(canvas, property) {
  canvas.style.color = `var(${property})`;
  return getComputedStyle(canvas).color;
}

/**
 * A 2D context whose units are CSS pixels, sized to the canvas as it is laid out now.
 * @param {HTMLCanvasElement} canvas
 * @returns {{ context: CanvasRenderingContext2D, width: number, height: number }}
 */
export function sharpContext(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  const ratio = window.devicePixelRatio || 1;
  const [pixelWidth, pixelHeight] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== pixelWidth || canvas.height !== pixelHeight) {
    canvas.width = pixelWidth;
    canvas.height = pixelHeight;
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

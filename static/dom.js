// Makes elements, and writes numbers. Strings become text nodes, so text of other people is never
// markup.

const { format } = new Intl.NumberFormat('en');

/**
 * A new element with `children`; an empty `className` sets no class.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} className
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/**
 * `65,536`
 * @param {number} number
 */
export function digits(number) {
  return format(number);
}

/**
 * `1 byte`, `65,536 bytes`
 * @param {number} number
 * @param {string} noun in the singular
 */
export function count(number, noun) {
  return `${format(number)} ${noun}${number === 1 ? '' : 's'}`;
}

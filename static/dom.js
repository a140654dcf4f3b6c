// Makes elements and words. Strings become text nodes, so what others say is only ever text.

const { format } = new Intl.NumberFormat('en');

export function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/** `65,536` */
export function digits(number) {
  return format(number);
}

/** `1 byte`, `65,536 bytes` */
export function count(number, noun) {
  return `${format(number)} ${noun}${number === 1 ? '' : 's'}`;
}

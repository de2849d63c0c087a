// Which properties' names the build shortens: those that never leave the page.

/**
 * Ours besides the names in camelCase. What Python or a host knows too is in snake_case or one word that is not here.
 */
const OURS = [
  "accent|bar|cell|colour|dismissed|dotted|draft|drawn|dropped|failed|failure|holes|hover|ink2|ink3|joint|kernel|largest",
  "legend|listed|look|masked|needs|paper|pieces|rule2|scene|scrolls|slack|stops|strongest|surface|thumb|traits",
  "working",
].join("|");

/** The browser's own names match too; terser knows them and leaves them alone. */
export const SHORTENED = new RegExp(`^(?:[a-z]+[A-Z]\\w*|${OURS})$`);

/**
 * Names that stay as they are because they also stand in a string, by which something may look them up.
 * @param {string} code
 */
export const inStrings = (code) => [...code.matchAll(/(["'`])(\w+)\1/g)].map((match) => match[2]);

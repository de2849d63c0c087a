// Which properties' names the build shortens: those that never leave the page.

/**
 * Ours besides the names in camelCase: looked up by no string, and neither Python's, the browser's nor a host's.
 * What Python or a host knows too is in snake_case or one word that is not here.
 */
const OURS = [
  "accent|again|bar|below|cell|choose|colour|column|dead|dismissed|dotted|draft|drawn|dropped|elapsed|fade|failed|failure",
  "finer|flow|focused|folded|found|gaps|hatch|holes|hover|ink2|ink3|joint|kernel|largest|legend|listed|look|masked|narrow",
  "needs|other|paper|picture|pieces|pinned|pins|place|press|progress|reading|receive|requester|reveal|room|rule|rule2",
  "scene|scrolls|shown|slack|sorted|stage|stops|strings|strongest|surface|texts|thumb|tokens|traits|waits|working",
].join("|");
const NAMED = new RegExp(`^(?:${OURS})$`);

/** The browser's own names match too; terser knows them and leaves them alone. */
export const SHORTENED = new RegExp(`^(?:[a-z]+[A-Z]\\w*|${OURS})$`);

/**
 * Names in camelCase that stay as they are because they also stand in a string, by which something may look them up.
 * @param {string} code
 */
export const inStrings = (code) =>
  [...code.matchAll(/(["'`])(\w+)\1/g)]
    .map((match) => match[2])
    .filter((name) => !NAMED.test(name));

// The text as it was written, cut at the displayed tokens. Pure.

/**
 * `row`: the displayed row that the text belongs to, null between tokens.
 * @typedef {{ text: string, row: number | null }} TextSpan
 */

/**
 * The key side's text as spans. Python counts code points, JavaScript UTF-16 units: cut by code
 * points. Without spans, tokens are set with spaces between them.
 * @param {import("../../types.js").Frame} frame
 * @returns {TextSpan[]}
 */
export function textSpans({ source = [], spans = [], keys }) {
  if (!source.length || !spans.some(Boolean)) return tokenSpans(keys.text);
  /** @type {TextSpan[]} */
  const parts = [];
  for (const [segment, text] of source.entries()) {
    if (segment) parts.push({ text: "\n\n", row: null });
    const letters = [...text];
    const part = (/** @type {number} */ from, /** @type {number} */ to) =>
      letters.slice(from, to).join("");
    let at = 0;
    for (const [row, span] of spans.entries()) {
      if (!span || span[0] !== segment || span[2] <= span[1] || span[1] < at) continue;
      if (span[1] > at) parts.push({ text: part(at, span[1]), row: null });
      parts.push({ text: part(span[1], span[2]), row });
      at = span[2];
    }
    if (at < letters.length) parts.push({ text: part(at, letters.length), row: null });
  }
  return parts;
}

/**
 * Tokens with spaces between them.
 * @param {string[]} text
 * @returns {TextSpan[]}
 */
export function tokenSpans(text) {
  return text.flatMap((token, row) => [
    ...(row ? [{ text: " ", row: null }] : []),
    { text: token.trim() || "␣", row },
  ]);
}

/** Both sides are the same tokens. @param {import("../../types.js").Frame} frame */
export const isSelf = ({ queries, keys }) =>
  queries.text.length === keys.text.length &&
  queries.text.every((token, i) => token === keys.text[i]);

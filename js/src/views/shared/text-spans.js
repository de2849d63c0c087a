// The text as it was written, cut at the displayed tokens. Pure.

/** @typedef {{ text: string, row: number | null }} Piece `row`: the displayed row it belongs to, null between tokens */

/**
 * The key side's text in pieces. Python counts code points, JavaScript UTF-16 units: cut by code points.
 * Without spans, tokens are set with spaces between them.
 * @param {import("../../types.js").Frame} frame
 * @returns {Piece[]}
 */
export function piecesOf({ source = [], spans = [], keys }) {
  if (!source.length || !spans.some(Boolean)) return tokensOf(keys.text);
  /** @type {Piece[]} */
  const pieces = [];
  for (const [segment, text] of source.entries()) {
    if (segment) pieces.push({ text: "\n\n", row: null });
    const letters = [...text];
    const part = (/** @type {number} */ from, /** @type {number} */ to) =>
      letters.slice(from, to).join("");
    let at = 0;
    for (const [row, span] of spans.entries()) {
      if (!span || span[0] !== segment || span[2] <= span[1] || span[1] < at) continue;
      if (span[1] > at) pieces.push({ text: part(at, span[1]), row: null });
      pieces.push({ text: part(span[1], span[2]), row });
      at = span[2];
    }
    if (at < letters.length) pieces.push({ text: part(at, letters.length), row: null });
  }
  return pieces;
}

/**
 * Tokens with spaces between them.
 * @param {string[]} text
 * @returns {Piece[]}
 */
export function tokensOf(text) {
  return text.flatMap((token, row) => [
    ...(row ? [{ text: " ", row: null }] : []),
    { text: token.trim() || "␣", row },
  ]);
}

/** Both sides are the same tokens. @param {import("../../types.js").Frame} frame */
export const isSelf = ({ queries, keys }) =>
  queries.text.length === keys.text.length &&
  queries.text.every((token, i) => token === keys.text[i]);

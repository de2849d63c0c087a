// The style sheet says the same few things hundreds of times: what it repeats stands once in a list.
const LONGEST = 14;
const ENTRIES = 48;

/**
 * @param {string} text
 * @returns {{ text: string, codes: string, parts: string[] }} put back by `unpacked`
 */
export function packed(text) {
  const used = new Set(text);
  const plain = Array.from({ length: 92 }, (_, i) => String.fromCharCode(33 + i));
  const free = plain.filter((c) => !used.has(c) && !"\"'`\\$".includes(c));
  const codes = [...free, ...Array.from({ length: 90 }, (_, i) => String.fromCharCode(192 + i))];
  const parts = [];
  while (parts.length < ENTRIES) {
    const part = mostRepeated(text, codes[parts.length].charCodeAt(0) > 127 ? 2 : 1);
    if (!part) break;
    text = text.replaceAll(part, codes[parts.length]);
    parts.push(part);
  }
  return { text, codes: codes.slice(0, parts.length).join(""), parts };
}

/** As the bundle does it: later entries may stand for earlier ones. */
export const unpacked = ({ text, codes, parts }) =>
  parts.reduceRight((all, part, i) => all.replaceAll(codes[i], part), text);

/** What saves most bytes when a code of so many bytes stands for it; "" where nothing does. */
function mostRepeated(text, cost) {
  const counts = new Map();
  for (let length = 3; length <= LONGEST; length++) {
    for (let i = 0; i + length <= text.length; i++) {
      const part = text.slice(i, i + length);
      counts.set(part, (counts.get(part) ?? 0) + 1);
    }
  }
  let best = { part: "", saved: 0 };
  for (const [part, count] of counts) {
    const most = (part.length - cost) * count - part.length - 4;
    if (count < 3 || most <= best.saved) continue;
    const saved = (part.length - cost) * (text.split(part).length - 1) - part.length - 4; // not overlapping
    if (saved > best.saved) best = { part, saved };
  }
  return best.part;
}

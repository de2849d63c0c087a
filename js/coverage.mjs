// A reporter for `node --test`: failed tests, then what share of each file in src the tests ran.
import { readdirSync } from "node:fs";
import { join, relative, sep } from "node:path";

const SRC = join(import.meta.dirname, "src");
const percent = (share) => `${share.toFixed(1).padStart(6)} %`;
const row = (name, lines, branches) =>
  `${name.padEnd(36)} ${percent(lines)} ${percent(branches)}\n`;

/** @param {AsyncIterable<{ type: string, data: any }>} events */
export default async function* report(events) {
  for await (const { type, data } of events) {
    if (type === "test:fail") yield `failed: ${data.name}\n`;
    if (type === "test:coverage") yield* table(data.summary);
  }
}

function* table({ files }) {
  const all = readdirSync(SRC, { recursive: true })
    .filter((name) => name.endsWith(".js"))
    .sort();
  const known = new Map(files.map((file) => [relative(SRC, file.path), file]));
  const sum = { lines: 0, ran: 0, branches: 0, taken: 0 };
  yield `${"file".padEnd(36)}    lines branches\n`;
  for (const name of all) {
    const file = known.get(name);
    yield file
      ? row(name.replaceAll(sep, "/"), file.coveredLinePercent, file.coveredBranchPercent)
      : row(`${name.replaceAll(sep, "/")} (not loaded)`, 0, 0);
    if (!file) continue;
    sum.lines += file.totalLineCount;
    sum.ran += file.coveredLineCount;
    sum.branches += file.totalBranchCount;
    sum.taken += file.coveredBranchCount;
  }
  yield row("all loaded", (100 * sum.ran) / sum.lines, (100 * sum.taken) / sum.branches);
}

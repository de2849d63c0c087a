// The gallery as one page that opens from a file: build/preview/index.html.
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { outputFiles } = await esbuild.build({
  entryPoints: [here("gallery.js")],
  bundle: true,
  format: "esm",
  target: ["es2022"],
  charset: "utf8",
  write: false,
});
const style =
  "body{margin:16px;font:13px/20px system-ui}section>div{display:flex;gap:24px;align-items:flex-start}h2{font-size:13px}";
const script = outputFiles[0].text.replaceAll("</script", "<\\/script");
const page = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Every view</title><style>${style}</style><script type="module">${script}</script></html>`;
const out = process.env.OUT ?? here("../../build/preview");
mkdirSync(out, { recursive: true });
writeFileSync(`${out}/index.html`, page);
console.log(`${out}/index.html`);

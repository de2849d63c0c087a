// Builds the bundles that the Python package carries: esbuild, minified. CI builds again and compares byte by byte.
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import * as esbuild from "esbuild";

const watch = process.argv.includes("--watch");
const outdir = process.env.OUT ?? "../attn_widget/bundle";

/** @type {import("esbuild").BuildOptions} */
const options = {
  entryPoints: {
    widget: "src/widget.js",
    static: "src/static/host.js",
    loader: "src/wire/loader.js",
  },
  outdir,
  bundle: true,
  format: "esm",
  target: ["es2022"],
  minify: !watch,
  sourcemap: watch ? "inline" : false,
  legalComments: "inline", // lit-html's licence asks for its copyright line
  logLevel: "warning",
};

/** A short name for this version of the bundle. @param {string} code */
const markOf = (code) => createHash("sha256").update(code).digest("hex").slice(0, 8);

/**
 * Run the bundle once per page. A host evaluates the module again for every widget and keeps each evaluation in
 * memory; this makes all but the first of them a few lines. The key holds a hash of the code, so that a page with
 * widgets of two versions runs both; an event of that name tells modules that wait for it. The code stands in a function that is not called where it is written, because
 * an engine compiles such a function only when it is called.
 * @param {string} code an ES module that ends in one default export
 */
function onceAPage(code) {
  const [exported, name] = /export\s*\{\s*([\w$]+) as default\s*\};?\s*$/.exec(code);
  const body = code.slice(0, -exported.length);
  const mark = JSON.stringify(`attn-widget ${markOf(code)}`);
  return (
    `const n=${mark},k=Symbol.for(n),run=()=>{${body}return ${name}},w=globalThis[k]??=run();` +
    `dispatchEvent(new Event(n));export{w as default};\n`
  );
}

if (watch) {
  const context = await esbuild.context(options);
  await context.watch();
} else {
  const { outputFiles } = await esbuild.build({ ...options, write: false });
  const codes = new Map(outputFiles.map(({ path, text }) => [path, text]));
  const [widget, loader] = ["widget.js", "loader.js"].map((name) =>
    join(dirname(outputFiles[0].path), name),
  );
  codes.set(loader, codes.get(loader).replace("MARK", markOf(codes.get(widget))));
  codes.set(widget, onceAPage(codes.get(widget)));
  mkdirSync(outdir, { recursive: true });
  for (const [path, code] of codes) writeFileSync(path, code);
}

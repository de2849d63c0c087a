// Builds the two bundles that the Python package carries. Deterministic: CI builds again and compares.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import * as esbuild from "esbuild";

const watch = process.argv.includes("--watch");
const entries = { widget: "src/widget.js", static: "src/static-host.js" };

const options = {
  entryPoints: Object.fromEntries(Object.entries(entries).filter(([, file]) => existsSync(file))),
  outdir: process.env.OUT ?? "../attn_widget/widget/static",
  bundle: true,
  format: "esm",
  target: ["es2022"],
  minify: !watch,
  sourcemap: watch ? "inline" : false,
  legalComments: "none",
  charset: "utf8",
  define: { "define.amd": "false" }, // a dependency must not register with a page's require.js
  logLevel: "warning",
};

if (watch) {
  const context = await esbuild.context(options);
  await context.watch();
} else {
  const { outputFiles } = await esbuild.build({ ...options, write: false });
  for (const { path, text } of outputFiles) {
    mkdirSync(dirname(path), { recursive: true });
    // What line breaks are left stand in templates of HTML and CSS, where a blank means the same.
    writeFileSync(path, `${text.trimEnd().replace(/\s*\n\s*/g, " ")}\n`);
  }
}

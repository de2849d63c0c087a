// Builds the bundles that the Python package carries. Deterministic: CI builds again and compares.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import * as esbuild from "esbuild";
import { minify } from "terser";
import { inStrings, SHORTENED } from "./names.mjs";
import { packed } from "./pack.mjs";

const watch = process.argv.includes("--watch");
const entries = {
  widget: "src/widget.js",
  static: "src/static/host.js",
  loader: "src/wire/loader.js",
};

/** The module of the style sheet, packed: the sheet comes out of it as it went in. @param {string} code */
function sheet(code) {
  if (code.includes("\\"))
    throw new Error("The style sheet must have no backslash: it is not read as JavaScript.");
  const { text, codes, parts } = packed(code.slice(code.indexOf("`") + 1, code.lastIndexOf("`")));
  const [list, marks, rest] = [parts.join("`"), codes, text].map((each) => JSON.stringify(each));
  return `export const css=${list}.split("\`").reduceRight((all,part,i)=>all.replaceAll(${marks}[i],part),${rest});`;
}

/** Templates of HTML and CSS lose their indentation. Only our own files, and only after comments are gone. */
const unindented = {
  name: "unindented",
  setup(build) {
    build.onLoad({ filter: /\.js$/ }, async ({ path }) => {
      if (path.includes(`${sep}node_modules${sep}`)) return undefined;
      const { code } = await esbuild.transform(readFileSync(path, "utf8"), {
        minifyWhitespace: true,
      });
      // Line breaks between tags, before the end of one and in the style sheet say nothing: our parts are flex or grid.
      const tight = code.replace(
        /(>|^)?\s*\n\s*(<|>)/g,
        (all, end, start) => (end || start === ">" ? (end ?? "") : " ") + start,
      );
      const contents = tight
        .replaceAll("--aw-", "--")
        .replace(/\s*\n\s*/g, path.endsWith("styles.js") ? "" : " ");
      return { contents: path.endsWith("styles.js") ? sheet(contents) : contents };
    });
  },
};

/** @param {string} code */
const markOf = (code) => createHash("sha256").update(code).digest("hex").slice(0, 8);

/**
 * The bundle, run once per page: a host evaluates it anew for every widget and never lets go of what that made.
 * Known by its content, so that a page with widgets of two versions runs both.
 * @param {string} code what ends in one default export
 */
function onceAPage(code) {
  const [end, name] = /export\s*\{\s*([\w$]+) as default\s*\};?\s*$/.exec(code);
  const mark = markOf(code);
  const body = `${code.slice(0, -end.length)}return ${name}`;
  // Not called where it is written: an engine compiles that at once, and anew for every widget.
  return `const a=Symbol.for("attn-widget ${mark}"),c=()=>{${body}},b=globalThis[a]??=c();export{b as default};`;
}

/** Letters beyond Latin-1 as escapes: with one of them a browser keeps every copy of the text at two bytes a letter. @param {string} code */
const inLatin1 = (code) =>
  code.replace(
    /[^\0-\xff]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

/** Said so often that a name of one letter pays: see short.js. */
const SHORT = {
  "Math.abs": "mathAbs",
  "Math.ceil": "mathCeil",
  "Math.floor": "mathFloor",
  "Math.max": "mathMax",
  "Math.min": "mathMin",
  "Math.round": "mathRound",
  "document.createElement": "createElement",
};

const options = {
  entryPoints: Object.fromEntries(Object.entries(entries).filter(([, file]) => existsSync(file))),
  outdir: process.env.OUT ?? "../attn_widget/bundle",
  bundle: true,
  format: "esm",
  target: ["es2022"],
  minify: !watch,
  sourcemap: watch ? "inline" : false,
  legalComments: "none",
  charset: "utf8",
  define: { "define.amd": "false", ...(watch ? {} : SHORT) }, // a dependency must not register with require.js
  inject: watch ? [] : ["short.js"],
  logLevel: "warning",
};

if (watch) {
  const context = await esbuild.context(options);
  await context.watch();
} else {
  const { outputFiles } = await esbuild.build({ ...options, plugins: [unindented], write: false });
  /** @type {Record<string, string>} */
  const codes = {};
  for (const { path, text: bundle } of outputFiles) {
    const { code } = await minify(bundle, {
      module: true,
      ecma: 2020,
      compress: { passes: 3, unsafe_arrows: true, unsafe_methods: true, keep_fargs: false },
      mangle: { properties: { regex: SHORTENED, reserved: inStrings(bundle) } },
      format: { comments: false },
    });
    codes[path] = inLatin1(code);
  }
  const folder = dirname(outputFiles[0].path);
  const [widget, loader] = ["widget.js", "loader.js"].map((name) => join(folder, name));
  codes[loader] = codes[loader].replace("MARK", markOf(codes[widget]));
  codes[widget] = onceAPage(codes[widget]);
  mkdirSync(folder, { recursive: true });
  for (const [path, code] of Object.entries(codes)) writeFileSync(path, `${code}\n`);
}

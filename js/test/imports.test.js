// Imports go one way: a file imports from its own layer and from those before it. Types count too.
import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import test from "node:test";
import assert from "node:assert/strict";

const SRC = new URL("../src/", import.meta.url);

/** First to last. A layer is a list of files and folders; the longest match decides. */
const LAYERS = [
  ["types.js", "view-types.js", "format.js", "memo.js", "sentences.js"],
  ["wire/spec.js", "wire/decode.js", "wire/regions.js"], // what crosses the wire: pure
  ["paint/"],
  ["views/shared/"],
  ["views/head/", "views/matrix/", "views/neuron/", "views/text/"],
  ["views/model/"], // draws one head beside its thumbnails, as the head view does
  ["views/index.js"],
  ["wire/"], // talks to the model and the kernel
  ["controls/"],
  ["app/", "app.js"],
  ["widget.js"],
];
/** A page without a kernel: nobody imports it, and it draws nothing itself. */
const STATIC = ["types.js", "wire/decode.js", "paint/pooling.js", "static/"];

const files = readdirSync(SRC, { recursive: true })
  .map((file) => file.replaceAll("\\", "/"))
  .filter((file) => file.endsWith(".js"));

/** @param {string} file @param {string} text */
function importsOf(file, text) {
  const paths = [...text.matchAll(/(?:from |import |import\()"(\.[^"]+\.js)"/g)].map(
    (match) => match[1],
  );
  return [...new Set(paths.map((path) => posix.join(posix.dirname(file), path)))];
}

/** The index of a file's layer, and the entry that names it. */
function layerOf(file) {
  let found = { layer: -1, entry: "" };
  for (const [layer, entries] of LAYERS.entries()) {
    for (const entry of entries) {
      const isIn = entry.endsWith("/") ? file.startsWith(entry) : file === entry;
      if (isIn && entry.length > found.entry.length) found = { layer, entry };
    }
  }
  return found;
}

/** Each import that goes up, or sideways from one view to another. */
function violations(file, text) {
  const own = layerOf(file);
  const isAllowed = (path) => {
    if (file.startsWith("static/"))
      return STATIC.some(
        (entry) => path === entry || (entry === "static/" && path.startsWith(entry)),
      );
    const other = layerOf(path);
    const isSideways = other.layer === own.layer && other.entry !== own.entry;
    const isView = own.entry.startsWith("views/");
    return other.layer >= 0 && other.layer <= own.layer && !(isSideways && isView);
  };
  return importsOf(file, text)
    .filter((path) => !isAllowed(path))
    .map((path) => `${file} imports ${path}`);
}

test("every file has a layer", () => {
  const lost = files.filter((file) => !file.startsWith("static/") && layerOf(file).layer < 0);
  assert.deepEqual(lost, []);
});

test("imports go one way, those of types too", () => {
  const all = files.flatMap((file) => violations(file, readFileSync(new URL(file, SRC), "utf8")));
  assert.deepEqual(all, []);
});

test("paint, the pure part of wire, words and layouts never touch the page", () => {
  const isPure = (file) =>
    /^(paint|views\/shared)\/(?!canvas|pointer)|^wire\/(spec|decode|regions)|(words|layout)\.js$/.test(
      file,
    ) && !file.startsWith("controls/");
  for (const file of files.filter(isPure)) {
    const text = readFileSync(new URL(file, SRC), "utf8").replace(/\/\*[^]*?\*\/|\/\/.*$/gm, "");
    assert.doesNotMatch(text, /\b(document|window|navigator)\./, file);
  }
});

test("the test sees an import that goes up, one between views, and one by a type", () => {
  const upward = 'import { html } from "../controls/icons.js";';
  assert.equal(violations("paint/canvas.js", upward).length, 1);
  assert.equal(violations("views/head/view.js", 'import "../matrix/view.js";').length, 1);
  assert.equal(
    violations("views/head/view.js", 'import { a } from "../matrix/view.js";').length,
    1,
  );
  assert.equal(
    violations("views/shared/pair.js", '/** @type {import("../../app.js").A} */').length,
    1,
  );
  assert.equal(violations("controls/bar.js", 'import { a } from "../static/model.js";').length, 1);
  assert.equal(violations("wire/frames.js", 'import { a } from "./decode.js";').length, 0);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { contextOf, window } from "./dom.js";
import { look } from "./helpers.js";

const { Saving, withMargin } = await import("../src/wire/save.js");

/** A canvas that was drawn at two device pixels per CSS pixel. */
function canvas() {
  const made = document.createElement("canvas");
  Object.assign(made, { width: 200, height: 100 });
  made.setAttribute("aria-label", "raw of layer 2");
  return made;
}

/** Note downloads instead of making them. */
function downloads() {
  const saved = [];
  globalThis.URL.createObjectURL = (blob) => (saved.push(blob), "blob:x");
  const click = window.HTMLElement.prototype.click;
  window.HTMLElement.prototype.click = function () {
    if (this.download) saved.push(this.download);
    else click.call(this);
  };
  return saved;
}

function saving() {
  const requests = [];
  const requester = {
    request: (name, data, handlers) => requests.push([name, data, handlers]),
    cancel: (name) => requests.push(["cancel", name]),
  };
  let changes = 0;
  return { saving: new Saving(requester, () => (changes += 1)), requests, changes: () => changes };
}

test("a PNG has a margin of 16 CSS pixels on paper, and its label below the picture", () => {
  const sheet = withMargin(canvas(), { ...look, ratio: 2, paper: "#fefefe" });
  assert.deepEqual([sheet.width, sheet.height], [200 + 64, 100 + 128]);
  const [paper, , label] = ["fillRect", "drawImage", "fillText"].map((name) =>
    contextOf(sheet).named(name).at(0),
  );
  assert.deepEqual([paper.args, paper.fillStyle], [[0, 0, 264, 228], "#fefefe"]);
  assert.deepEqual(contextOf(sheet).named("drawImage")[0].args.slice(1), [32, 32]);
  assert.deepEqual(label.args, ["raw of layer 2", 32, 228 - 32, 200]);
  assert.match(label.font, /^24px/);
});

test("a PNG is drawn in the page, without the kernel", () => {
  const saved = downloads();
  window.HTMLCanvasElement.prototype.toBlob = (done) => done("a blob");
  const given = saving();
  given.saving.save("png", canvas(), look, "head-raw-layer-2");
  assert.deepEqual(saved, ["a blob", "head-raw-layer-2.png"]);
  assert.deepEqual(given.requests, []);
});

test("other formats come from the kernel, with progress", () => {
  const saved = downloads();
  const given = saving();
  given.saving.save("svg", canvas(), { ...look, dark: true }, "a");
  const [name, data, handlers] = given.requests[0];
  assert.deepEqual([name, data], ["export", { format: "svg", theme: "dark" }]);
  handlers.progress({ done: 1, total: 2 });
  assert.deepEqual(given.saving.pending.progress, { done: 1, total: 2 });
  handlers.reply({ mime: "image/svg+xml" }, ["<svg/>"]);
  assert.equal(given.saving.pending, null);
  assert.equal(saved[0].type, "image/svg+xml");
  assert.equal(saved[1], "a.svg");
  assert.equal(given.changes(), 3);
});

test("a text view has no canvas: its PNG comes from the kernel too", () => {
  const given = saving();
  given.saving.save("png", document.createElement("div"), look, "a");
  assert.equal(given.requests[0][1].format, "png");
});

test("a failure stays until the next save; cancelling is one", () => {
  const given = saving();
  given.saving.save("html", undefined, look, "a");
  given.requests[0][2].fail({ name: "E", message: "m" });
  assert.equal(given.saving.failed.failure.message, "m");
  given.saving.save("html", undefined, look, "a");
  assert.equal(given.saving.failed, null);
  given.saving.cancel();
  assert.deepEqual(given.requests.at(-1), ["cancel", "export"]);
  assert.equal(given.saving.failed.failure.message, "Nothing was saved.");
  assert.equal(given.saving.pending, null);
});

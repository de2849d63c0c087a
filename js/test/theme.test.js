import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { pause } from "./dom.js";

const { resolve, watchTheme } = await import("../src/controls/theme.js");

const html = document.documentElement;
function hosted() {
  const host = document.body.appendChild(document.createElement("div"));
  const inside = host.attachShadow({ mode: "open" }).appendChild(document.createElement("div"));
  return [host, inside];
}
afterEach(() => {
  html.removeAttribute("theme");
  document.body.removeAttribute("style");
  document.body.replaceChildren();
});

test("a theme that was chosen wins over the host's", () => {
  const [host, inside] = hosted();
  host.style.setProperty("--jp-layout-color0", "#111111");
  assert.equal(resolve(host, inside, "light").dark, false);
  assert.equal(host.dataset.theme, "light");
  assert.ok(host.hasAttribute("data-explicit"));
  assert.equal(resolve(host, inside, "auto").dark, true);
  assert.equal(host.hasAttribute("data-explicit"), false);
});

for (const [name, set] of [
  ["JupyterLab's", (host, colour) => host.style.setProperty("--jp-layout-color0", colour)],
  ["VS Code's", (host, colour) => host.style.setProperty("--vscode-editor-background", colour)],
  ["the page's", (_host, colour) => (document.body.style.backgroundColor = colour)],
]) {
  test(`${name} dark background makes the widget dark, a light one light`, () => {
    for (const [colour, theme] of [
      ["#111111", "dark"],
      ["#1e1e1e", "dark"],
      ["#ffffff", "light"],
      ["#f3f3f3", "light"],
    ]) {
      const [host, inside] = hosted();
      set(host, colour);
      assert.equal(resolve(host, inside, "auto").dark, theme === "dark", colour);
      assert.equal(host.dataset.theme, theme);
    }
  });
}

test("Colab says its theme in an attribute", () => {
  const [host, inside] = hosted();
  html.setAttribute("theme", "dark");
  assert.equal(resolve(host, inside, "auto").dark, true);
  html.setAttribute("theme", "light");
  assert.equal(resolve(host, inside, "auto").dark, false);
});

test("a change of the host's theme is noticed, twice: style sheets come later; not after the end", async () => {
  const end = new AbortController();
  let calls = 0;
  watchTheme(() => (calls += 1), end.signal);
  document.body.setAttribute("data-jp-theme-light", "false");
  await pause(20);
  assert.equal(calls, 1);
  await pause(350);
  assert.equal(calls, 2);
  end.abort();
  document.body.setAttribute("data-jp-theme-light", "true");
  await pause(20);
  assert.equal(calls, 2);
});

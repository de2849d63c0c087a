import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Window } from "happy-dom";

const window = new Window();
for (const name of ["document", "Comment", "Text", "Element", "Node", "HTMLTemplateElement"])
  globalThis[name] = window[name];
const { html, nothing, render } = await import("../src/controls/html.js");

/** @type {HTMLElement} */
let place;
beforeEach(() => {
  place = document.createElement("div");
});
const text = () => place.textContent.trim();

test("a value is text, never markup", () => {
  const hostile = '<img src=x onerror="alert(1)"><script>1</script>';
  render(html`<p>${hostile}</p>`, place);
  assert.equal(text(), hostile);
  assert.equal(place.querySelectorAll("img, script").length, 0);
});

test("an attribute holds what it is given, whole or in pieces, and goes with nothing", () => {
  const view = (title, head) => html`<i title=${title} aria-label="head ${head} of ${12}"></i>`;
  render(view('"><b>', 3), place);
  const i = place.querySelector("i");
  assert.equal(i.getAttribute("title"), '"><b>');
  assert.equal(i.getAttribute("aria-label"), "head 3 of 12");
  render(view(nothing, 4), place);
  assert.equal(i.hasAttribute("title"), false);
  assert.equal(i.getAttribute("aria-label"), "head 4 of 12");
});

test("switches, properties and listeners follow their latest value", () => {
  const heard = [];
  const view = (off, value, name) =>
    html`<input ?disabled=${off} .value=${value} @input=${() => heard.push(name)} />`;
  render(view(true, "a", "first"), place);
  const input = place.querySelector("input");
  assert.equal(input.hasAttribute("disabled"), true);
  render(view(false, "b", "second"), place);
  assert.equal(place.querySelector("input"), input); // the same element: focus stays where it was
  assert.equal(input.hasAttribute("disabled"), false);
  assert.equal(input.value, "b");
  input.dispatchEvent(new window.Event("input"));
  assert.deepEqual(heard, ["second"]);
});

test("a list grows and shrinks, and what stays is the same element", () => {
  const view = (items) =>
    html`<ul>
      ${items.map((item) => html`<li>${item}</li>`)}
    </ul>`;
  render(view(["a", "b", "c"]), place);
  const first = place.querySelector("li");
  render(view(["x"]), place);
  assert.equal(text(), "x");
  assert.equal(place.querySelector("li"), first);
  render(view(["x", "y"]), place);
  assert.deepEqual(
    [...place.querySelectorAll("li")].map((li) => li.textContent),
    ["x", "y"],
  );
});

test("another template, text and nothing take the place of one another", () => {
  const view = (what) => html`<p>${what}</p>`;
  for (const [what, shown] of [
    [html`<b>${"bold"}</b>`, "bold"],
    [html`<i>${"slanted"}</i>`, "slanted"],
    ["plain", "plain"],
    [0, "0"],
    [nothing, ""],
    [null, ""],
    [["a", html`<b>b</b>`], "ab"],
    ["end", "end"],
  ]) {
    render(view(what), place);
    assert.equal(text(), shown);
  }
  assert.equal(place.querySelectorAll("b, i").length, 0);
});

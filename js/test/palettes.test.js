import assert from "node:assert/strict";
import { test } from "node:test";
import { contrast, inkOn, luminance, parseCss, rgb } from "../src/paint/color.js";
import { HEADS, headColours, scaleTable, sequential } from "../src/paint/palettes.js";

const WHITE = [255, 255, 255];
const BLACK = [17, 17, 17];

test("head colours stand out from the paper: 3 to 1 in light, 4.5 to 1 in dark", () => {
  assert.equal(HEADS.light.length, 16);
  for (const hex of HEADS.light) assert.ok(contrast(rgb(hex), WHITE) >= 3, hex);
  for (const hex of HEADS.dark) assert.ok(contrast(rgb(hex), BLACK) >= 4.45, hex);
});

test("no two heads share a colour", () => {
  for (const theme of ["light", "dark"]) assert.equal(new Set(HEADS[theme]).size, 16);
});

test("a digit on a head's colour reads at 4.5 to 1", () => {
  for (const hex of [...HEADS.light, ...HEADS.dark]) {
    assert.ok(contrast(rgb(hex), inkOn(rgb(hex)) === "#fff" ? WHITE : [0, 0, 0]) >= 4.5, hex);
  }
});

test("zero is not the paper, and lightness runs one way", () => {
  for (const [dark, paper] of [
    [false, WHITE],
    [true, BLACK],
  ]) {
    const { bytes } = scaleTable("sequential", dark);
    assert.equal(bytes.length, 256);
    assert.notDeepEqual([...bytes[0]], paper);
    assert.ok(contrast(bytes[0], paper) > 1.02);
    const lightness = bytes.map(luminance);
    for (let i = 1; i < 256; i++)
      assert.ok((lightness[i] - lightness[i - 1]) * (dark ? 1 : -1) > -2e-3, `${i}`);
  }
});

test("the scales pass through their stops", () => {
  assert.deepEqual([...scaleTable("sequential", false).bytes[0]], rgb("f2f8fc"));
  assert.deepEqual([...scaleTable("sequential", false).bytes[255]], rgb("262b48"));
  assert.deepEqual([...scaleTable("diverging", true).bytes[255]], rgb("97c0fc"));
  assert.equal(sequential(2, false), "rgb(38,43,72)");
});

test("above 16 heads colours go to the heads that are on, by index; with more, one ink and the lit head", () => {
  const few = headColours(32, [30, 4], false, "ink");
  assert.equal(few(4), "#036095");
  assert.equal(few(30), "#ea6d1b");
  assert.equal(few(5), "ink");
  const all = Array.from({ length: 32 }, (_, i) => i);
  const many = headColours(32, all, false, "ink", 17);
  assert.equal(many(3), "ink");
  assert.equal(many(17), "#ea6d1b");
  assert.equal(headColours(12, [3], true, "ink")(11), "#c197a9");
});

test("browser colours are read with and without opacity", () => {
  assert.deepEqual(parseCss("rgb(1, 2, 3)"), [1, 2, 3, 1]);
  assert.deepEqual(parseCss("rgba(1, 2, 3, 0.5)"), [1, 2, 3, 0.5]);
  assert.deepEqual(parseCss("#ff0080"), [255, 0, 128, 1]);
  assert.equal(parseCss("var(--x)"), null);
});

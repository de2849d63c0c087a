import { readFileSync } from "node:fs";
import test from "node:test";
import assert from "node:assert/strict";
import { inStrings, SHORTENED } from "../names.mjs";
import { packed, unpacked } from "../pack.mjs";
import { css } from "../src/controls/styles.js";

const types = readFileSync(new URL("../src/types.js", import.meta.url), "utf8");
const CROSSES = ["Traits", "Info", "Group", "Failure", "Spec", "Axis", "Frame", "Row", "Progress"];

test("no name that crosses the wire is shortened", () => {
  for (const typedef of CROSSES) {
    const [, fields] = new RegExp(`@typedef \\{Object\\} ${typedef}\\n([^/]*)`).exec(types) ?? [];
    const names = [...(fields ?? "").matchAll(/@property \{.*\} \[?(\w+)/g)].map(
      (match) => match[1],
    );
    assert.ok(names.length > 2, typedef);
    for (const name of names) assert.ok(!SHORTENED.test(name), `${typedef}.${name}`);
  }
});

test("a name that is also a string is kept, others in camelCase are not", () => {
  assert.deepEqual(inStrings('a.fooBar; b["fooBaz"]; c(`x`)'), ["fooBaz", "x"]);
  assert.ok(SHORTENED.test("fooBar"));
  assert.ok(!SHORTENED.test("hide_special"));
});

test("the packed style sheet comes out as it went in, and smaller", () => {
  const small = packed(css);
  assert.equal(unpacked(small), css);
  assert.ok(Buffer.byteLength(small.text + small.codes + small.parts.join("")) < 0.7 * css.length);
});

test("what does not repeat stays as it is", () => {
  assert.deepEqual(packed("abc"), { text: "abc", codes: "", parts: [] });
});

// Templates for the controls: `html` marks holes in markup, `render` fills them and later changes only what changed.
// Values become text, attributes, properties (.name), switches (?name) or listeners (@name), never markup.

/** @typedef {{ strings: TemplateStringsArray, values: any[] }} Template */
/** @typedef {{ start: Comment, end: Comment, value?: any, text?: Text, made?: Instance, items?: Place[] }} Place */
/** @typedef {{ element: any, name: string, pieces: string[], holes: number[], value?: any }} Attribute */
/** @typedef {{ strings: TemplateStringsArray, attributes: Attribute[], places: { place: Place, hole: number }[] }} Instance */
/** @typedef {{ node: number, name: string, pieces: string[], holes: number[] }} Hole */

export const nothing = Symbol("nothing");
const MARK = "\u2063"; // invisible, and in no markup of ours
const INSIDE = new RegExp(`${MARK}(\\d+)${MARK}`);
const SEEN = 129; // elements and comments

/** @type {WeakMap<TemplateStringsArray, { template: HTMLTemplateElement, holes: Hole[] }>} */
const parsed = new WeakMap();
/** @type {WeakMap<Element, Place>} */
const roots = new WeakMap();

/**
 * @param {TemplateStringsArray} strings
 * @param {...any} values
 * @returns {Template}
 */
export const html = (strings, ...values) => ({ strings, values });

/**
 * Make an element's content what the value says.
 * @param {any} value a template, text, a list of these, or `nothing`
 * @param {HTMLElement} element
 */
export function render(value, element) {
  let place = roots.get(element);
  if (!place) {
    const end = element.appendChild(new Comment());
    roots.set(element, (place = placeAt(end)));
  }
  fill(place, value);
}

/** @param {TemplateStringsArray} strings */
function parse(strings) {
  let known = parsed.get(strings);
  if (known) return known;
  let markup = strings[0];
  for (let i = 1; i < strings.length; i++) {
    const mark = `${MARK}${i - 1}${MARK}`;
    const isInTag = markup.lastIndexOf("<") > markup.lastIndexOf(">");
    markup += (isInTag ? mark : `<!--${mark}-->`) + strings[i];
  }
  const template = document.createElement("template");
  template.innerHTML = markup;
  /** @type {Hole[]} */
  const holes = [];
  for (const [node, at] of nodes(template.content).entries()) {
    if (at instanceof Comment) {
      const match = INSIDE.exec(at.data);
      if (match) holes.push({ node, name: "", pieces: [], holes: [Number(match[1])] });
      continue;
    }
    for (const { name, value } of [.../** @type {Element} */ (at).attributes]) {
      const pieces = value.split(INSIDE);
      if (pieces.length === 1) continue;
      /** @type {Element} */ (at).removeAttribute(name);
      const numbers = pieces.filter((_, i) => i % 2).map(Number);
      holes.push({ node, name, pieces: pieces.filter((_, i) => !(i % 2)), holes: numbers });
    }
  }
  parsed.set(strings, (known = { template, holes }));
  return known;
}

/** @param {Node} root */
function nodes(root) {
  const walker = document.createTreeWalker(root, SEEN);
  const list = [];
  while (walker.nextNode()) list.push(walker.currentNode);
  return list;
}

/** @param {Comment} end @returns {Place} */
function placeAt(end) {
  const start = new Comment();
  end.before(start);
  return { start, end };
}

/** @param {Place} place @param {any} value */
function fill(place, value) {
  if (value?.strings) {
    if (place.made?.strings !== value.strings) {
      empty(place);
      place.made = make(place.end, value.strings);
    }
    update(/** @type {Instance} */ (place.made), value.values);
  } else if (Array.isArray(value)) {
    if (!place.items) empty(place);
    const items = (place.items ??= []);
    while (items.length > value.length) {
      const { start, end } = /** @type {Place} */ (items.pop());
      empty({ start, end });
      start.remove();
      end.remove();
    }
    for (const [i, item] of value.entries()) {
      if (i === items.length) {
        const end = new Comment();
        place.end.before(end);
        items.push(placeAt(end));
      }
      fill(items[i], item);
    }
  } else if (value === nothing || value === null || value === undefined || value === "") {
    empty(place);
  } else if (place.text) {
    if (place.value !== value) place.text.data = value;
    place.value = value;
  } else {
    empty(place);
    place.end.before((place.text = new Text(value)));
    place.value = value;
  }
}

/** @param {Place} place */
function empty(place) {
  while (place.start.nextSibling && place.start.nextSibling !== place.end)
    place.start.nextSibling.remove();
  place.text = place.made = place.items = place.value = undefined;
}

/** @param {Comment} end @param {TemplateStringsArray} strings @returns {Instance} */
function make(end, strings) {
  const { template, holes } = parse(strings);
  const content = document.importNode(template.content, true);
  const all = nodes(content);
  /** @type {Instance} */
  const instance = { strings, attributes: [], places: [] };
  for (const { node, name, pieces, holes: numbers } of holes) {
    if (name) instance.attributes.push({ element: all[node], name, pieces, holes: numbers });
    else
      instance.places.push({
        place: placeAt(/** @type {Comment} */ (all[node])),
        hole: numbers[0],
      });
  }
  end.before(content);
  return instance;
}

/** @param {Instance} instance @param {any[]} values */
function update({ attributes, places }, values) {
  for (const { place, hole } of places) fill(place, values[hole]);
  for (const attribute of attributes) {
    const { pieces, holes } = attribute;
    const isWhole = holes.length === 1 && !pieces[0] && !pieces[1];
    set(
      attribute,
      isWhole
        ? values[holes[0]]
        : pieces.map((p, i) => (i ? String(values[holes[i - 1]]) : "") + p).join(""),
    );
  }
}

/** @param {Attribute} attribute @param {any} value */
function set(attribute, value) {
  const { element, name } = attribute;
  const isNew = !("value" in attribute);
  if (!isNew && attribute.value === value) return;
  attribute.value = value;
  const bare = name.slice(1);
  if (name[0] === "@") {
    if (isNew)
      element.addEventListener(bare, (/** @type {Event} */ event) => attribute.value(event));
  } else if (name[0] === ".") element[bare] = value;
  else if (name[0] === "?") element.toggleAttribute(bare, !!value);
  else if (value === nothing) element.removeAttribute(name);
  else element.setAttribute(name, value);
}

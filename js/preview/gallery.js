// Every view at every length, light and dark side by side. `npm run preview` makes one page of it.
import { StaticModel } from "../src/static/model.js";
import widget from "../src/widget.js";
import { made } from "./frames.js";

/** Replies with the stored frame whose spec has all that is requested. */
function answering(frames) {
  return ({ query, ...spec }) => {
    const isIt = ({ header }) =>
      (query === undefined || header.query === query) &&
      Object.entries(spec).every(([name, value]) => header.spec[name] === value);
    const frame = frames.find(isIt);
    if (!frame) throw `${spec.method} in layer ${spec.layer} is not in the gallery.`;
    return frame;
  };
}

const asked = new URLSearchParams(location.search);
const lengths = (asked.get("n") ?? "12,64,512,2048").split(",").map(Number);
const views = (asked.get("view") ?? "head,model,neuron,matrix,text").split(",");
const themes = (asked.get("theme") ?? "light,dark").split(",");
const width = asked.get("width") ?? "860";

for (const n of lengths) {
  const { state, frames } = made(n);
  for (const view of views) {
    const section = document.createElement("section");
    section.id = `${view}-${n}`;
    section.append(
      Object.assign(document.createElement("h2"), { textContent: `${view}, ${n} tokens` }),
    );
    const pair = section.appendChild(document.createElement("div"));
    for (const theme of themes) {
      const el = pair.appendChild(document.createElement("div"));
      el.style.width = `${width}px`;
      el.dataset.theme = theme;
      widget().render({ model: new StaticModel({ ...state, view, theme }, answering(frames)), el });
    }
    document.body.append(section);
  }
}

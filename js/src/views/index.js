// All views. A view is a function of callbacks and a signal; it never gets the model.
import { headView } from "./head/view.js";
import { matrixView } from "./matrix/view.js";
import { modelView } from "./model/view.js";
import { neuronView } from "./neuron/view.js";
import { textView } from "./text/view.js";

export const VIEWS = {
  head: headView,
  model: modelView,
  neuron: neuronView,
  matrix: matrixView,
  text: textView,
};

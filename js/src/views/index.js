// The views there are. A view is a function of callbacks and a signal; it never sees the model.
import { headView } from "./head.js";
import { matrixView } from "./matrix.js";
import { modelView } from "./model.js";
import { neuronView } from "./neuron.js";
import { textView } from "./text.js";

export const VIEWS = {
  head: headView,
  model: modelView,
  neuron: neuronView,
  matrix: matrixView,
  text: textView,
};

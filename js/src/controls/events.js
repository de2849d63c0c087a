// Values of form elements, from their events.

/** @param {Event} event of an input, select or textarea */
export const valueOf = (event) => /** @type {HTMLInputElement} */ (event.target).value;

/** @param {Event} event of a checkbox */
export const isChecked = (event) => /** @type {HTMLInputElement} */ (event.target).checked;

// Icons. Every button with an icon also has an accessible name.
import { html } from "lit-html";

export const icons = {
  find: html`<svg viewBox="0 0 16 16" aria-hidden="true">
    <circle cx="7" cy="7" r="4.2" />
    <path d="m10.2 10.2 3.3 3.3" />
  </svg>`,
  theme: html`<svg viewBox="0 0 16 16" aria-hidden="true">
    <circle cx="8" cy="8" r="5.2" />
    <path d="M8 2.8v10.4a5.2 5.2 0 0 0 0-10.4Z" fill="currentColor" stroke="none" />
  </svg>`,
  save: html`<svg viewBox="0 0 16 16" aria-hidden="true">
    <path d="M8 2.5v7.5M5 7.2l3 3 3-3M3 13.2h10" />
  </svg>`,
  filter: html`<svg viewBox="0 0 16 16" aria-hidden="true">
    <path d="M2.5 4.5h11M4.5 8h7M6.5 11.5h3" />
  </svg>`,
};

// Light, dark, or as the system says; remembered on this device.

import { setText } from "./dom.js";

const ORDER = ["auto", "light", "dark"];
const LABELS = { auto: "follow the system", light: "light", dark: "dark" };

/** Makes `button` go through the choices. */
export function startTheme(button) {
  let theme = localStorage.getItem("theme") ?? "auto";
  const apply = () => {
    document.documentElement.dataset.theme = theme;
    setText(button, theme[0].toUpperCase() + theme.slice(1));
    button.setAttribute("aria-label", `Colours: ${LABELS[theme]}`);
  };
  button.addEventListener("click", () => {
    theme = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length];
    localStorage.setItem("theme", theme);
    apply();
  });
  apply();
}

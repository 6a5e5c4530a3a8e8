// Light, dark, or as the system says; remembered on this device.

import { setText } from "./dom.js";

const ORDER = ["auto", "light", "dark"];

/** Makes `button` go through the choices. */
export function startTheme(button) {
  let theme = localStorage.getItem("theme") ?? "auto";
  const apply = () => {
    document.documentElement.dataset.theme = theme;
    const name = theme[0].toUpperCase() + theme.slice(1);
    setText(button, name);
    button.setAttribute("aria-label", `${name} colours`);
  };
  button.addEventListener("click", () => {
    theme = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length];
    localStorage.setItem("theme", theme);
    apply();
  });
  apply();
}

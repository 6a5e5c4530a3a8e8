// Ways to hand a file to a task: choose, drop, paste.

import { find } from "../dom.js";

/**
 * Calls `onFile` for every file that a person gives to the section while it is shown.
 * @param {HTMLElement} section
 * @param {(file: File) => void} onFile
 * @param {{ pasteType?: string }} [options] Prefix of the MIME type that may be pasted, e.g. `image/`.
 */
export function acceptFiles(section, onFile, { pasteType } = {}) {
  const input = find("input[type=file]", section);
  input.addEventListener("change", () => {
    if (input.files[0]) onFile(input.files[0]);
    input.value = "";
  });

  const stage = /** @type {HTMLElement | null} */ (section.querySelector("[data-drop]"));
  stage?.addEventListener("dragover", (event) => {
    event.preventDefault();
    stage.classList.add("over");
  });
  stage?.addEventListener("dragleave", () => stage.classList.remove("over"));
  stage?.addEventListener("drop", (event) => {
    event.preventDefault();
    stage.classList.remove("over");
    if (event.dataTransfer.files[0]) onFile(event.dataTransfer.files[0]);
  });

  if (!pasteType) return;
  document.addEventListener("paste", (event) => {
    if (section.hidden) return;
    const file = [...event.clipboardData.files].find((file) => file.type.startsWith(pasteType));
    if (file) onFile(file);
  });
}

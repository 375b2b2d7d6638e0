/** The commands that do what the page just did. */

import { addressOf, hasKey, withBox } from "./api.js";
import { byId, element } from "./dom.js";
import { nameOf } from "./variants.js";

const COPIED_MS = 2000;

/** Shows them for the chosen one of `variants`; what was chosen before stays so. */
export function showProgram(variants, picture) {
  const select = byId("program-model");
  const chosen = select.selectedIndex;
  select.replaceChildren(...variants.map((variant) => element("option", {}, nameOf(variant))));
  if (chosen >= 0 && chosen < variants.length) select.selectedIndex = chosen;
  select.onchange = () => write(variants[select.selectedIndex], picture);
  select.onchange();
  byId("program").hidden = false;
}

function write(variant, picture) {
  byId("curl").textContent = curl(variant, picture);
  byId("python").textContent = python(variant, picture);
}

function curl({ path }, picture) {
  const { path: file, blob } = picture;
  const type = blob.type || "application/octet-stream";
  return [
    `curl -H ${shell(`Content-Type: ${type}`)}`,
    ...(hasKey() ? ['-H "Authorization: Bearer $VITRINE_API_KEY"'] : []),
    `--data-binary ${shell(`@${file}`)}`,
    shell(addressOf(withBox(`${path}:predict`, picture))),
  ].join(" \\\n    ");
}

function python({ model, labels }, { path: file, box }) {
  const url = JSON.stringify(addressOf(".").replace(/\/$/, ""));
  const key = hasKey() ? ', api_key=os.environ["VITRINE_API_KEY"]' : "";
  const label = labels.length ? `, label=${JSON.stringify(labels[0])}` : "";
  const where = box ? `, box=(${box.join(", ")})` : "";
  return [
    ...(hasKey() ? ["import os", ""] : []),
    "from vitrine_client import Client",
    "",
    `with Client(${url}${key}) as client:`,
    `    found = client.predict(${JSON.stringify(file)}, model=${JSON.stringify(model)}${label}${where})`,
    "    print(found.label, found.probability)",
  ].join("\n");
}

/** Quotes a word for POSIX shells where it needs that. */
const shell = (word) =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

/** Makes the buttons copy what is beside them. */
export function offerCopies() {
  for (const button of document.querySelectorAll("[data-copies]")) {
    button.addEventListener("click", async () => {
      await copy(byId(button.dataset.copies));
      button.textContent = "Copied";
      byId("announced").textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), COPIED_MS);
    });
  }
}

async function copy(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
  } catch {
    // Pages that came without TLS have no clipboard, but may still copy what is selected.
    getSelection().selectAllChildren(code);
    document.execCommand("copy");
  }
}

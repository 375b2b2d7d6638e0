/** Commands that do what the page just did. */

import { nameOf } from "../answers/variants.js";
import { addressOf, hasKey } from "../api.js";
import { byId, element, setCut } from "../dom.js";
import { boxed, typeOf } from "../picture/instance.js";
import { offerCopy } from "./copy.js";

/** Shows them for the chosen one of `variants`; what was chosen before stays so. They are hidden
where there is nothing that they could do. */
export async function showProgram(variants, picture, signal) {
  const blob = await picture.content();
  if (signal.aborted) return;
  const select = byId("program-model");
  const chosen = select.value;
  const names = variants.map(nameOf);
  select.replaceChildren(...names.map((value) => setCut(element("option", { value }), value)));
  if (variants.some((variant) => nameOf(variant) === chosen)) select.value = chosen;
  select.onchange = () => {
    byId("curl").textContent = curl(variants[select.selectedIndex], picture, typeOf(blob));
    byId("python").textContent = python(variants[select.selectedIndex], picture);
  };
  byId("program").hidden = !variants.length;
  if (variants.length) select.onchange();
  offerFile(picture, blob);
}

/** Takes them away. */
export function hideProgram() {
  byId("program").hidden = true;
}

/** Offers a picture that is in no file, for the commands name one. */
function offerFile({ unsaved, name }, blob) {
  const link = byId("program-save");
  URL.revokeObjectURL(link.href);
  link.hidden = !unsaved;
  link.href = unsaved ? URL.createObjectURL(blob) : "";
  link.download = name;
  link.textContent = `Save ${name} first`;
}

function curl({ path }, { path: file, box }, type) {
  return [
    `curl -H ${shell(`Content-Type: ${type}`)}`,
    ...(hasKey() ? ['-H "Authorization: Bearer $VITRINE_API_KEY"'] : []),
    `--data-binary ${shell(`@${file}`)}`,
    shell(addressOf(boxed(`${path}:predict`, box))),
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
    offerCopy(button, byId(button.dataset.copies));
  }
}

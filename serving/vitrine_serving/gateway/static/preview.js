/** Shows the picture that was given, marks the sample it is, and keeps the page's address true. */

import { byId } from "./dom.js";

/** Calls `onSize` with the picture's { width, height } when it is there, upright, or with null where
the browser cannot show it; not if another picture comes before. */
export function preview(picture, onSize) {
  const image = byId("picture");
  const address = URL.createObjectURL(picture.blob);
  URL.revokeObjectURL(image.src);
  image.src = address;
  image.alt = picture.name;
  image.hidden = false;
  const known = (size) => {
    if (image.src === address) onSize(size);
  };
  image.onload = async () => known(await sizeOf(image, picture.blob));
  image.onerror = () => {
    image.hidden = true; // no picture, or of a format only the API reads
    known(null);
  };
  image.classList.toggle("small", Boolean(picture.sample));
  byId("picture-name").textContent = picture.name;
  markSample(picture.sample);
}

/** In pixels of the file: `naturalWidth` is smaller where EXIF says that there are more to an inch. */
async function sizeOf(image, blob) {
  try {
    const bitmap = await createImageBitmap(blob);
    const { width, height } = bitmap;
    bitmap.close(); // a photo is 48 MB
    return { width, height };
  } catch {
    return { width: image.naturalWidth, height: image.naturalHeight }; // cut off, but shown
  }
}

function markSample(sample) {
  for (const button of document.querySelectorAll("[data-sample]")) {
    button.toggleAttribute("aria-current", false);
    if (button.dataset.sample === sample) button.setAttribute("aria-current", "true");
  }
  history.replaceState(null, "", sample ? `?sample=${sample}` : location.pathname);
}

/** Scrolls an answer into view, for those who gave the picture and stayed where they were. */

const STIRRED_PX = 8; // somebody who scrolled as far meanwhile looks at something else

const PHONE = "(max-width: 36rem)"; // too narrow for a picture and an answer at once

/** Returns `bring(element, place)`: unless `element` is in view, or somebody scrolled since now, it
scrolls there; on a phone so that `place`, in which it is, begins at the top of the window. */
export function watchScrolling() {
  const from = scrollY;
  return (element, place) => {
    const { top, bottom } = element.getBoundingClientRect();
    const isSeen = top >= 0 && bottom <= innerHeight;
    if (isSeen || Math.abs(scrollY - from) > STIRRED_PX) return;
    const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const behavior = isStill ? "instant" : "smooth";
    if (matchMedia(PHONE).matches) place.scrollIntoView({ block: "start", behavior });
    else element.scrollIntoView({ block: "nearest", behavior });
  };
}

/** Takes a photo: with the camera in a dialog, or with what a phone has for it. */

import { byId } from "./dom.js";
import { Picture } from "./picture.js";

const ADVICE = "Choose a picture instead.";
// https://www.w3.org/TR/mediacapture-streams/#dom-mediadevices-getusermedia
const WHY_NOT = {
  NotFoundError: "No camera found.",
  OverconstrainedError: "No camera found.",
  NotAllowedError: "This page may not use the camera: your browser’s settings say so.",
  NotReadableError: "The camera does not start: another program may be using it.",
};

/** Shows whichever way there is. Browsers give cameras only to pages that came safely. */
export function offerCamera(onPicture, onProblem) {
  const cameras = window.isSecureContext ? navigator.mediaDevices : undefined;
  if (cameras?.getUserMedia) {
    new Camera(onPicture, onProblem);
    cameras.addEventListener?.("devicechange", () => offer(cameras));
  }
  offer(cameras);
}

/** Shows the button of a camera that is there; a phone has an app for it otherwise. */
async function offer(cameras) {
  const live = Boolean(cameras?.getUserMedia) && (await isThere(cameras));
  byId("camera-open").hidden = !live;
  byId("capture-label").hidden = live || !matchMedia("(pointer: coarse)").matches;
}

/** Whether there is a camera, as far as the browser tells before it asks for leave. */
async function isThere(cameras) {
  try {
    return (await cameras.enumerateDevices()).some(({ kind }) => kind === "videoinput");
  } catch {
    return true; // those who try will see
  }
}

class Camera {
  constructor(onPicture, onProblem) {
    this.dialog = byId("camera");
    this.video = byId("viewfinder");
    this.onPicture = onPicture;
    this.onProblem = onProblem;
    byId("camera-open").addEventListener("click", () => this.open());
    byId("camera-close").addEventListener("click", () => this.dialog.close());
    byId("shutter").addEventListener("click", () => this.take());
    this.dialog.addEventListener("close", () => this.stop()); // Escape closes it, too
  }

  async open() {
    if (this.dialog.open) return;
    byId("shutter").disabled = true;
    this.dialog.showModal();
    try {
      const video = { facingMode: "environment", width: { ideal: 1280 } };
      const stream = await navigator.mediaDevices.getUserMedia({ video });
      if (!this.dialog.open) return stopAll(stream); // closed while the browser asked
      this.video.srcObject = stream;
      await this.video.play();
      byId("shutter").disabled = false;
    } catch (error) {
      if (!this.dialog.open) return; // which ends play()
      this.dialog.close();
      const why = WHY_NOT[error.name] ?? `The camera does not start (${error.message}).`;
      this.onProblem(`${why} ${ADVICE}`);
    }
  }

  take() {
    const canvas = document.createElement("canvas");
    canvas.width = this.video.videoWidth;
    canvas.height = this.video.videoHeight;
    canvas.getContext("2d").drawImage(this.video, 0, 0);
    const photo = new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
    this.dialog.close();
    this.onPicture(new Picture({ name: "photo.jpg", unsaved: true, read: () => photo }));
  }

  stop() {
    if (this.video.srcObject) stopAll(this.video.srcObject);
    this.video.srcObject = null;
  }
}

function stopAll(stream) {
  stream.getTracks().forEach((track) => track.stop());
}

/** Takes a photo: with the camera in a dialog, or with what a phone has for it. */

import { byId } from "./dom.js";

/** Shows whichever way there is. Browsers give cameras only to pages that came safely. */
export function offerCamera(onPicture, onProblem) {
  const live = Boolean(window.isSecureContext && navigator.mediaDevices?.getUserMedia);
  const phone = matchMedia("(pointer: coarse)").matches;
  byId("capture-label").hidden = live || !phone;
  byId("camera-open").hidden = !live;
  if (live) new Camera(onPicture, onProblem);
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
      this.onProblem(`The camera is not to be had (${error.message}). Choose a picture instead.`);
    }
  }

  take() {
    const canvas = document.createElement("canvas");
    canvas.width = this.video.videoWidth;
    canvas.height = this.video.videoHeight;
    canvas.getContext("2d").drawImage(this.video, 0, 0);
    canvas.toBlob((blob) => {
      this.dialog.close();
      this.onPicture({ name: "photo.jpg", path: "photo.jpg", blob });
    }, "image/jpeg", 0.92);
  }

  stop() {
    if (this.video.srcObject) stopAll(this.video.srcObject);
    this.video.srcObject = null;
  }
}

function stopAll(stream) {
  stream.getTracks().forEach((track) => track.stop());
}

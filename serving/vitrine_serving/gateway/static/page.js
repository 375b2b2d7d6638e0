"use strict";

const picture = document.getElementById("picture");
const model = document.getElementById("model");
const answer = document.getElementById("answer");
const bars = document.getElementById("bars");

async function listModels() {
  const response = await fetch("v1/models");
  const body = await response.json();
  if (!response.ok) {
    answer.textContent = body.detail;
    return;
  }
  model.replaceChildren(...body.models.map(({ name }) => new Option(name)));
}

function bar([label, probability]) {
  const item = document.createElement("li");
  const meter = document.createElement("meter");
  const figure = document.createElement("output");
  meter.value = probability;
  figure.textContent = probability.toFixed(3);
  item.append(label, meter, figure);
  return item;
}

async function predict() {
  if (!picture.files.length) return;
  const started = performance.now();
  const response = await fetch(`v1/models/${model.value}:predict`, {
    method: "POST",
    headers: { "Content-Type": "application/octet-stream" },
    body: picture.files[0],
  });
  const body = await response.json();
  bars.replaceChildren();
  if (!response.ok) {
    answer.textContent = body.detail;
    return;
  }
  const [prediction] = body.predictions;
  const { name, version } = body.model_spec;
  const took = Math.round(performance.now() - started);
  answer.textContent = `${prediction.label}, says ${name}/${version} after ${took} ms`;
  bars.replaceChildren(...Object.entries(prediction.probabilities).map(bar));
}

picture.addEventListener("change", predict);
model.addEventListener("change", predict);
listModels();

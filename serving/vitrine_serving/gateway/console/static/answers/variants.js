/** Variants of models: each classifier, or each of its labelled versions where there are several. */

import { get } from "../api.js";

const FIRST = ["photo", "mlp", "softmax"]; // what knows pictures best, as far as we know

/** Returns what can be asked, and what cannot, as { variants, others }. A variant is { model,
version, labels, path, answers }, of models for pictures first and of those without a version that
answers last; a path is like "v1/models/mlp". The others are models, with a `reason` or none. */
export async function loadVariants(signal) {
  const { models } = await get("v1/models", signal);
  const variants = models
    .filter((each) => each.classifier !== false)
    .sort((one, other) => answers(other) - answers(one) || rank(one) - rank(other))
    .flatMap(variantsOf);
  return { variants, others: models.filter((each) => each.classifier === false) };
}

const rank = ({ name }) => (FIRST.indexOf(name) + 1 || FIRST.length + 1);

/** Whether some version has said that it is a classifier. */
const answers = ({ classifier }) => classifier === true;

function variantsOf(listed) {
  return versionsOf(listed).map((each) => ({ ...each, answers: answers(listed) }));
}

function versionsOf({ name, version_labels: labelled = {} }) {
  const path = `v1/models/${encodeURIComponent(name)}`;
  const versions = new Map(); // one version may have several labels
  for (const [label, version] of Object.entries(labelled)) {
    versions.set(version, [...(versions.get(version) ?? []), label]);
  }
  if (versions.size < 2) return [{ model: name, labels: [], labelled, path }];
  return [...versions].map(([version, labels]) => ({
    model: name,
    version,
    labels,
    labelled,
    path: `${path}/labels/${encodeURIComponent(labels[0])}`,
  }));
}

/** The variant's name in words: "mlp, canary". */
export const nameOf = ({ model, labels }) => [model, ...labels].join(", ");

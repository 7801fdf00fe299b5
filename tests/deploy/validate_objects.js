// Reads a JSON array of Kubernetes objects from stdin and holds each to the schema of its kind; prints what is wrong and
// exits 1, or prints how many were validated.
//   validate_objects.js NODE_MODULES
const path = require("node:path");
const modules = process.argv[2];
const load = (name) => {
  try {
    return require(path.join(modules, name));
  } catch (error) {
    if (error.code === "MODULE_NOT_FOUND") return null;
    throw error;
  }
};

const modelOf = ({ apiVersion, kind }) => {
  const folder = apiVersion.startsWith("monitoring.coreos.com/")
    ? `@kubernetes-models/prometheus-operator/${apiVersion}`
    : `kubernetes-models/${apiVersion}`;
  return load(`${folder}/${kind}`)?.[kind] ?? null;
};

let text = "";
process.stdin.on("data", (part) => (text += part));
process.stdin.on("end", () => {
  const wrong = [];
  const without = [];
  const objects = JSON.parse(text);
  for (const object of objects) {
    const name = `${object.kind} ${object.metadata?.name}`;
    const Model = modelOf(object);
    if (!Model) {
      without.push(name);
      continue;
    }
    try {
      new Model(object).validate();
    } catch (error) {
      wrong.push(`${name}: ${error.message}`);
    }
  }
  console.log(JSON.stringify({ validated: objects.length - wrong.length - without.length, without, wrong }));
  process.exitCode = wrong.length ? 1 : 0;
});

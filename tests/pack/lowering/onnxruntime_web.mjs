// Runs models in onnxruntime-web: node onnxruntime_web.mjs FOLDER NODE_MODULES_PARENT
// FOLDER holds cases.json (model, inputs, outputs), the models, and raw little-endian arrays; outputs are written beside them.
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";

const [folder, parent] = process.argv.slice(2);
const ort = createRequire(path.join(parent, "anything.js"))("onnxruntime-web");
ort.env.wasm.numThreads = 1;
const arrays = {
  float32: Float32Array, float64: Float64Array, float16: Uint16Array, bool: Uint8Array,
  int8: Int8Array, int16: Int16Array, int32: Int32Array, int64: BigInt64Array,
  uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, uint64: BigUint64Array,
};

function tensor(input) {
  const bytes = fs.readFileSync(path.join(folder, input.file));
  const own = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  return new ort.Tensor(input.dtype, new arrays[input.dtype](own), input.shape);
}

const cases = JSON.parse(fs.readFileSync(path.join(folder, "cases.json")));
for (const one of cases) {
  try {
    const model = fs.readFileSync(path.join(folder, one.model));
    const session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
    const feeds = Object.fromEntries(one.inputs.map((input) => [input.name, tensor(input)]));
    const results = await session.run(feeds);
    for (const output of one.outputs) {
      const data = results[output.name].data;
      fs.writeFileSync(path.join(folder, output.file), Buffer.from(data.buffer, data.byteOffset, data.byteLength));
    }
  } catch (error) {
    one.error = String(error);
  }
}
fs.writeFileSync(path.join(folder, "results.json"), JSON.stringify(cases));

// Predict with fused.onnx under Node, by the names that the bundle gives.
//
//   hyrax-run unpack digits.hyrax graphs --inline
//   npm install onnxruntime-web
//   node predict.mjs graphs/fused.onnx pixels.f32        # raw little-endian float32, rows of 8 x 8
import fs from "node:fs";
import { createRequire } from "node:module";

const ort = createRequire(process.cwd() + "/")("onnxruntime-web");
const [model, file] = process.argv.slice(2);
const bytes = fs.readFileSync(file);
const pixels = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);

const session = await ort.InferenceSession.create(fs.readFileSync(model));
const image = new ort.Tensor("float32", pixels, [pixels.length / 64, 8, 8]);
const { output_0: scores } = await session.run({ "data/image": image }); // friendly/field: what manifest.json calls it

const classes = scores.dims[1];
for (let at = 0; at < scores.data.length; at += classes) {
  console.log(Array.from(scores.data.subarray(at, at + classes)).join(" "));
}

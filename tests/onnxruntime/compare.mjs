// Evaluates a model on the test images of Fashion-MNIST with ONNX Runtime, and compares with what marvin predicted.
//
//   node compare.mjs MODEL.onnx [--predictions FILE] [--write FILE] [--images N] [--agreement PERCENT] [--as-written]
//
// --predictions  marvin's predictions, one class a line
// --images       how many more or fewer images than marvin ONNX Runtime may get right (default 0)
// --agreement    how many of the predictions have to be the same (default 100)
// --write        where ONNX Runtime's predictions go
// --as-written   execute the file's nodes one by one, without making others of them
//
// Images are preprocessed as the model's metadata say ("marvin.preprocess"), else scaled to [0,1] and normalised with
// the mean and deviation of the training images.
import {readFileSync, writeFileSync} from 'node:fs';
import {parseArgs} from 'node:util';
import {gunzipSync} from 'node:zlib';
import ort from 'onnxruntime-node';

const kData = '/usr/share/datasets/fashion-mnist';
const kBatch = 500;

// An idx file: its extents, big-endian after a magic number, and its bytes.
function readIdx(name) {
  const file = gunzipSync(readFileSync(`${kData}/${name}.gz`));
  const rank = file[3];
  const shape = Array.from({length: rank}, (_, axis) => file.readUInt32BE(4 + 4 * axis));
  return {shape, bytes: file.subarray(4 + 4 * rank)};
}

// The fields of a protobuf message, as [number, bytes]; fields that are no byte strings are passed over.
function* byteFields(message) {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1;; scale *= 128) {
      const byte = message[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const tag = varint();
    const wire = tag & 7;
    if (wire === 0) {
      varint();
    } else {
      const length = wire === 2 ? varint() : wire === 1 ? 8 : 4;
      if (wire === 2) yield [tag >>> 3, message.subarray(at, at + length)];
      at += length;
    }
  }
}

// The metadata_props of a ModelProto, which ONNX Runtime's interface for Node does not show.
function readMetadata(model) {
  const metadata = {};
  for (const [field, entry] of byteFields(model)) {
    if (field !== 14) continue;
    const {1: key, 2: value} = Object.fromEntries(byteFields(entry));
    metadata[key.toString()] = value?.toString() ?? '';
  }
  return metadata;
}

function defaultPreprocess() {
  const counts = new Array(256).fill(0);
  const {bytes} = readIdx('train-images-idx3-ubyte');
  for (const byte of bytes) ++counts[byte];
  const mean = counts.reduce((sum, count, byte) => sum + count * byte, 0) / bytes.length / 255;
  const variance = counts.reduce((sum, count, byte) => sum + count * (byte / 255 - mean) ** 2, 0) / bytes.length;
  return {scale: true, mean: [mean], std: [Math.sqrt(variance)], pad: 0};
}

// Every stored byte as the model is fed it, each operation rounded to float32.
function tableOf({scale, mean, std}) {
  return Float32Array.from({length: 256}, (_, byte) => {
    const x = scale ? Math.fround(byte / 255) : byte;
    return mean.length ? Math.fround(Math.fround(x - Math.fround(mean[0])) / Math.fround(std[0])) : x;
  });
}

// Images from `first` on, `count` x 1 x height x width.
function batchOf(images, first, count, preprocess) {
  const [, height, width] = images.shape;
  const {pad} = preprocess;
  const shape = [count, 1, height + 2 * pad, width + 2 * pad];
  const table = tableOf(preprocess);
  const values = new Float32Array(shape.reduce((a, b) => a * b)).fill(table[0]);
  for (let row = 0; row < count * height; ++row) {
    const image = Math.floor(row / height);
    const to = (image * shape[2] + (row % height) + pad) * shape[3] + pad;
    const from = (first * height + row) * width;
    for (let x = 0; x < width; ++x) values[to + x] = table[images.bytes[from + x]];
  }
  return new ort.Tensor('float32', values, shape);
}

function largest(scores) {
  return scores.reduce((best, score, index) => (score > scores[best] ? index : best), 0);
}

async function predict(path, images, graphOptimizationLevel) {
  const preprocess = readMetadata(readFileSync(path))['marvin.preprocess'];
  const options = preprocess ? JSON.parse(preprocess) : defaultPreprocess();
  const session = await ort.InferenceSession.create(path, {graphOptimizationLevel});
  const predictions = [];
  for (let first = 0; first < images.shape[0]; first += kBatch) {
    const count = Math.min(kBatch, images.shape[0] - first);
    const outputs = await session.run({[session.inputNames[0]]: batchOf(images, first, count, options)});
    const {data, dims} = outputs[session.outputNames[0]];
    for (let i = 0; i < count; ++i) predictions.push(largest(data.subarray(i * dims[1], (i + 1) * dims[1])));
  }
  return predictions;
}

const equal = (a, b) => a.reduce((count, value, index) => count + (value === b[index]), 0);
const percent = (count, of) => `${(100 * count / of).toFixed(2)} %`;

const {values: flags, positionals: [model]} = parseArgs({
  allowPositionals: true,
  options: {
    predictions: {type: 'string'},
    write: {type: 'string'},
    images: {type: 'string', default: '0'},
    agreement: {type: 'string', default: '100'},
    'as-written': {type: 'boolean', default: false},
  },
});
const labels = Array.from(readIdx('t10k-labels-idx1-ubyte').bytes);
const predictions = await predict(model, readIdx('t10k-images-idx3-ubyte'), flags['as-written'] ? 'disabled' : 'all');
const right = equal(predictions, labels);
if (flags.write) writeFileSync(flags.write, predictions.join('\n') + '\n');
if (!flags.predictions) {
  console.log(`${model}: ONNX Runtime ${percent(right, labels.length)}`);
} else {
  const theirs = readFileSync(flags.predictions, 'utf8').trim().split('\n').map(Number);
  if (theirs.length !== labels.length) {
    throw new Error(`${flags.predictions} has ${theirs.length} predictions, not ${labels.length}`);
  }
  const theirsRight = equal(theirs, labels);
  const same = equal(predictions, theirs);
  const passed = Math.abs(right - theirsRight) <= Number(flags.images) &&
                 100 * same >= Number(flags.agreement) * labels.length;
  console.log(`${model}: ONNX Runtime ${percent(right, labels.length)}, marvin ${percent(theirsRight, labels.length)}, ` +
              `${percent(same, labels.length)} of the predictions are the same: ${passed ? 'passed' : 'FAILED'}`);
  process.exitCode = passed ? 0 : 1;
}

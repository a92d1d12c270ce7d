// Archives of numpy arrays, as marvin reads and writes them: NAME.npy for every array, row-major and little-endian.
// An array is {type, dims, data}, like a tensor of ONNX Runtime.
import AdmZip from 'adm-zip';

const kTypes = {float32: ['<f4', Float32Array], int64: ['<i8', BigInt64Array]};

function toNpy({type, dims, data}) {
  const [descr] = kTypes[type];
  const shape = dims.length === 1 ? `(${dims[0]},)` : `(${dims.join(', ')})`;
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`;
  const prefix = 10;  // magic, version, length of the header
  const header = text.padEnd(Math.ceil((prefix + text.length + 1) / 64) * 64 - prefix - 1) + '\n';
  const length = Buffer.alloc(2);
  length.writeUInt16LE(header.length);
  return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), length, Buffer.from(header),
                        new Uint8Array(data.buffer, data.byteOffset, data.byteLength)]);
}

function fromNpy(bytes) {
  const begin = 10 + bytes.readUInt16LE(8);
  const header = bytes.toString('latin1', 10, begin);
  const descr = header.match(/'descr': '(.+?)'/)[1];
  const [type, [, ArrayType]] = Object.entries(kTypes).find(([, [known]]) => known === descr);
  const dims = header.match(/'shape': \((.*?)\)/)[1].split(',').filter((extent) => extent.trim()).map(Number);
  return {type, dims, data: new ArrayType(Uint8Array.from(bytes.subarray(begin)).buffer)};
}

// Writes arrays, an object of name: array.
export function writeNpz(path, arrays) {
  const archive = new AdmZip();
  for (const [name, array] of Object.entries(arrays)) archive.addFile(`${name}.npy`, toNpy(array));
  archive.writeZip(path);
}

// The arrays of a file, as writeNpz takes them.
export function readNpz(path) {
  const entries = new AdmZip(path).getEntries();
  return Object.fromEntries(entries.map((entry) => [entry.entryName.replace(/\.npy$/, ''), fromNpy(entry.getData())]));
}

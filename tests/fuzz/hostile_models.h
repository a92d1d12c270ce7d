// Damaged and malicious ONNX files, made from ONNX's own conformance cases. For the unit tests and the fuzzer.
#pragma once

#include <random>
#include <string>
#include <vector>

namespace marvin {

// The contents of the single-op, simple and exported models among ONNX's cases, in the order of their names.
std::vector<std::string> conformance_models();

// A model with some of its attributes, operands, tensors, shapes or bytes changed; `bytes` itself where these are no
// model.
std::string changed(const std::string& bytes, std::mt19937_64& random);

// Writes the bytes to `path` and imports them: whether they were taken, or refused with an Error. Any other exception
// passes.
bool imports(const std::string& bytes, const std::string& path);

}  // namespace marvin

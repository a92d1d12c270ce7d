#include "runtime/data/npz.h"

#include <zip.h>

#include <catch2/catch.hpp>

#include "runtime/data/npy.h"
#include "tests/data/files.h"

using namespace marvin;
using Catch::Contains;

namespace {

struct ZipEntry {
  std::string name, content;
  int method = ZIP_CM_DEFLATE;
};

void write_zip(const std::string& path, const std::vector<ZipEntry>& entries) {
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
  for (const ZipEntry& entry : entries) {
    zip_source_t* source = zip_source_buffer(archive, entry.content.data(), entry.content.size(), 0);
    const int64_t index = zip_file_add(archive, entry.name.c_str(), source, 0);
    zip_set_file_compression(archive, static_cast<uint64_t>(index), entry.method, 0);
  }
  REQUIRE(zip_close(archive) == 0);
}

// A .npy file with a header as numpy writes it.
std::string npy(const std::string& dictionary, const std::string& elements, char version = 1) {
  std::string file = "\x93NUMPY";
  file += version;
  file += '\0';
  const size_t length = dictionary.size() + 1;
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) file += static_cast<char>(length >> (8 * i) & 0xff);
  return file + dictionary + '\n' + elements;
}

template <class T>
std::string bytes_of_values(std::initializer_list<T> values) {
  return {reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(T)};
}

// The error of reading an archive with the one entry x.npy.
std::string entry_error(const std::string& content, int method = ZIP_CM_STORE) {
  const TemporaryDirectory directory;
  write_zip(directory / "x.npz", {{"x.npy", content, method}});
  return error_of([&] { read_npz(directory / "x.npz"); });
}

}  // namespace

TEST_CASE("Arrays of every element type survive a .npz") {
  const TemporaryDirectory directory;
  std::vector<NamedArray> arrays;
  arrays.push_back({"f4", Tensor::of<float>({2, 3}, {1, -2, 3.5, 0, 5, 6})});
  arrays.push_back({"f8", Tensor::of<double>({2}, {1e300, -0.0})});
  arrays.push_back({"i1", Tensor::of<int8_t>({1, 1, 2}, {-128, 127})});
  arrays.push_back({"i2", Tensor::of<int16_t>({2}, {-32768, 3})});
  arrays.push_back({"i4", Tensor::of<int32_t>({}, {-7})});
  arrays.push_back({"layer/i8", Tensor::of<int64_t>({1}, {int64_t{1} << 62})});
  arrays.push_back({"u1", Tensor::of<uint8_t>({2}, {0, 255})});
  arrays.push_back({"b1", Tensor::of<bool>({3}, {true, false, true})});
  arrays.push_back({"empty", Tensor(Type{DType::f32, {0, 4}})});
  write_npz(directory / "a.npz", arrays);
  const std::vector<NamedArray> read = read_npz(directory / "a.npz");
  REQUIRE(read.size() == arrays.size());
  for (size_t i = 0; i < read.size(); ++i) {
    CHECK(read[i].name == arrays[i].name);
    CHECK(read[i].values == arrays[i].values);
  }
  write_npz(directory / "b.npz", arrays);
  CHECK(file_content(directory / "a.npz") == file_content(directory / "b.npz"));
}

TEST_CASE("Names of arrays survive a .npz, whatever characters they have") {
  const TemporaryDirectory directory;
  const std::string path = directory / "names.npz";
  const std::vector<std::string> names = {"x", "a\nb", "\x1b[1m", "caf\u00e9", "a/b:0"};
  std::vector<NamedArray> arrays;
  for (const std::string& name : names) arrays.push_back({name, Tensor::of<float>({1}, {1})});
  write_npz(path, arrays);
  const std::vector<NamedArray> read = read_npz(path);
  REQUIRE(read.size() == names.size());
  for (size_t i = 0; i < names.size(); ++i) CHECK(read[i].name == names[i]);
}

TEST_CASE("The header of a written array is numpy's") {
  const std::string header = npy_header(Type{DType::f32, {3, 4}});
  CHECK(header.size() == 128);
  CHECK(header.substr(0, 10) == std::string("\x93NUMPY\1\0\x76\0", 10));
  CHECK_THAT(header, Contains("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }"));
  CHECK(header.back() == '\n');
  CHECK_THAT(npy_header(Type{DType::i8, {5}}), Contains("'descr': '|i1'") && Contains("'shape': (5,),"));
  CHECK_THAT(npy_header(Type{DType::i8, {}}), Contains("'shape': ()"));
}

TEST_CASE("Stored and deflated .npy files of versions 1 to 3 are read") {
  const TemporaryDirectory directory;
  const std::string elements = bytes_of_values<int16_t>({1, 2, 3, 4, 5, 6});
  const std::string dictionary = "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }";
  write_zip(directory / "x.npz", {{"a.npy", npy(dictionary, elements, 1), ZIP_CM_STORE},
                                  {"b.npy", npy(dictionary, elements, 2), ZIP_CM_DEFLATE},
                                  {"c.npy", npy(dictionary, elements, 3), ZIP_CM_DEFLATE}});
  const Tensor expected = Tensor::of<int16_t>({2, 3}, {1, 2, 3, 4, 5, 6});
  const std::vector<NamedArray> arrays = read_npz(directory / "x.npz");
  REQUIRE(arrays.size() == 3);
  for (const NamedArray& array : arrays) CHECK(array.values == expected);
}

TEST_CASE("An array in Fortran order is brought into C order") {
  const TemporaryDirectory directory;
  // numpy.arange(24).reshape(2, 3, 4), first axis fastest.
  const std::string elements =
      bytes_of_values<int32_t>({0, 12, 4, 16, 8, 20, 1, 13, 5, 17, 9, 21, 2, 14, 6, 18, 10, 22, 3, 15, 7, 19, 11, 23});
  write_zip(directory / "x.npz",
            {{"x.npy", npy("{\"shape\": (2,3,4), \"fortran_order\": True, \"descr\": \"<i4\"}", elements)}});
  const std::vector<NamedArray> arrays = read_npz(directory / "x.npz");
  const std::span<const int32_t> values = arrays[0].values.as<int32_t>();
  for (size_t i = 0; i < 24; ++i) CHECK(values[i] == static_cast<int32_t>(i));
}

TEST_CASE("Bytes of a boolean array other than 0 are true") {
  const TemporaryDirectory directory;
  write_zip(directory / "x.npz",
            {{"x.npy", npy("{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }", {0, 1, 7})}});
  CHECK(read_npz(directory / "x.npz")[0].values == Tensor::of<bool>({3}, {false, true, true}));
}

TEST_CASE("Damaged .npy files are errors that name the array") {
  const std::string rest = ", 'fortran_order': False, 'shape': (2,), }";
  REQUIRE(entry_error(npy("{'descr': '<f4'" + rest, std::string(8, 'a'))).empty());
  CHECK_THAT(entry_error(npy("{'descr': '>f4'" + rest, std::string(8, 'a'))),
             Contains("x.npz: array 'x': the element type '>f4' is not supported"));
  CHECK_THAT(entry_error(npy("{'descr': '<U3'" + rest, std::string(24, 'a'))), Contains("'<U3' is not supported"));
  CHECK_THAT(entry_error(npy("{'descr': '|O'" + rest, "")), Contains("'|O' is not supported"));
  CHECK_THAT(entry_error(npy("{'descr': [('a', '<f4')]" + rest, "")), Contains("records"));
  CHECK_THAT(entry_error(npy("{'descr': '<f4'" + rest, std::string(7, 'a'))),
             Contains("holds 7 bytes of elements; expected 8 for f32[2]"));
  CHECK_THAT(entry_error(npy("{'descr': '<f4'" + rest, std::string(9, 'a'))), Contains("holds 9 bytes of elements"));
  CHECK_THAT(entry_error("not an array at all"), Contains("is not a .npy file"));
  CHECK_THAT(entry_error("x"), Contains("ends before its .npy header does"));
  CHECK_THAT(entry_error(std::string("\x93NUMPY\4\0abc", 11)), Contains("has version 4"));
  CHECK_THAT(entry_error(std::string("\x93NUMPY\2\0\xff\xff\xff\xff{", 13)), Contains("ends before its .npy header"));
  for (const std::string dictionary :
       {"", "{", "{'descr': '<f4'}", "{'descr': '<f4', 'shape': (2), 'fortran_order': 0}", "{'descr': '<f4",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", "{'color': 1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }"}) {
    CHECK_THAT(entry_error(npy(dictionary, std::string(8, 'a'))), Contains("array 'x': damaged .npy header"));
  }
}

TEST_CASE("Absurd sizes in a .npz are refused before memory is asked for") {
  const std::string claim = "{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776, 8), }";
  CHECK_THAT(entry_error(npy(claim, "abcd")), Contains("holds 4 bytes of elements; expected 35184372088832"));
  CHECK_THAT(
      entry_error(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776, 1099511627776), }", "")),
      Contains("absurdly large"));

  const TemporaryDirectory directory;
  write_zip(
      directory / "x.npz",
      {{"x.npy", npy("{'descr': '|u1', 'fortran_order': False, 'shape': (1073741824,), }", std::string(100, 'a'))}});
  std::string content = file_content(directory / "x.npz");
  const size_t entry = content.find("PK\1\2");
  REQUIRE(entry != std::string::npos);
  for (const size_t offset : {20, 24}) content.replace(entry + offset, 4, std::string("\0\0\0\x40", 4));
  write_file(directory / "x.npz", content);
  CHECK(!error_of([&] { read_npz(directory / "x.npz"); }).empty());
  content.replace(entry + 20, 4, std::string("\x80\0\0\0", 4));
  write_file(directory / "x.npz", content);
  CHECK_THAT(error_of([&] { read_npz(directory / "x.npz"); }), Contains("more than the file can hold"));
}

TEST_CASE("A damaged .npz gives an error that names it, or else the right elements") {
  const TemporaryDirectory directory;
  const std::string path = directory / "x.npz";
  const std::string elements = bytes_of_values<int16_t>({1, 2, 3, 4});
  write_zip(path, {{"x.npy", npy("{'descr': '<i2', 'fortran_order': False, 'shape': (4,), }", elements)}});
  const std::string content = file_content(path);
  const Tensor expected = Tensor::of<int16_t>({4}, {1, 2, 3, 4});
  for (size_t length = 0; length < content.size(); ++length) {
    write_file(path, content.substr(0, length));
    CHECK_THAT(error_of([&] { read_npz(path); }), Contains(path));
  }
  for (size_t position = 0; position < content.size(); ++position) {
    std::string damaged = content;
    damaged[position] ^= 0x10;
    write_file(path, damaged);
    std::vector<NamedArray> arrays;
    const std::string error = error_of([&] { arrays = read_npz(path); });
    if (error.empty() && arrays.size() == 1) CHECK(arrays[0].values == expected);
    if (!error.empty()) CHECK_THAT(error, Contains(path));
  }
}

TEST_CASE("An archive of other things than arrays is an error") {
  const TemporaryDirectory directory;
  const std::string path = directory / "x.npz";
  write_zip(path, {{"readme.txt", "hello"}});
  CHECK_THAT(error_of([&] { read_npz(path); }), Contains("holds 'readme.txt'; expected .npy files only"));
  write_file(path, "this is not a zip file");
  CHECK_THAT(error_of([&] { read_npz(path); }), Contains(path + ": cannot be opened as .npz"));
}

TEST_CASE("A .npz that cannot be written leaves nothing behind and what was there as it was") {
  const TemporaryDirectory directory;
  const std::vector<NamedArray> array{{"x", Tensor::scalar<float>(1)}};
  const std::vector<NamedArray> twice{{"x", Tensor::scalar<float>(2)}, {"x", Tensor::scalar<float>(3)}};
  CHECK_THAT(error_of([&] { write_npz(directory / "absent/x.npz", array); }), Contains("absent/x.npz': No such file"));
  write_npz(directory / "x.npz", array);
  CHECK_THAT(error_of([&] { write_npz(directory / "x.npz", twice); }), Contains("array 'x' cannot be added"));
  CHECK(read_npz(directory / "x.npz")[0].values == array[0].values);
  const std::filesystem::directory_iterator files(directory.path());
  CHECK(std::distance(begin(files), end(files)) == 1);
}

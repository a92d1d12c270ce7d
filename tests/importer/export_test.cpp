#include "importer/export.h"

#include <google/protobuf/unknown_field_set.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "importer/model_patch.h"
#include "runtime/ir/file.h"
#include "runtime/ops/op.h"
#include "tests/importer/exported_model.h"

using namespace marvin;
using Catch::Matchers::Contains;
using google::protobuf::util::MessageDifferencer;

namespace {

onnx::ModelProto trained(const ModelBuilder& model, const TensorMap& weights, const ExportOptions& options) {
  const TemporaryDirectory directory;
  export_trained(model.load(), weights, options, directory / "out.onnx");
  return read_proto(directory / "out.onnx");
}

}  // namespace

TEST_CASE("a model that is imported and exported unchanged is the same model") {
  ModelBuilder model = training_model();
  model.model.set_producer_name("someone");
  model.model.mutable_graph()->mutable_node(0)->GetReflection();
  onnx::NodeProto& node = *model.graph().mutable_node(0);
  node.GetReflection()->MutableUnknownFields(&node)->AddLengthDelimited(9, "kept");
  model.constant("held", Tensor::of<float>({2, 2}, {1, 2, 3, 4})).node("MatMul", {"z", "held"}, {"end"}).output("end");
  onnx::TensorProto& typed = *model.graph().add_initializer();
  typed.set_name("typed");
  typed.set_data_type(onnx::TensorProto::FLOAT);
  typed.add_dims(1);
  typed.add_float_data(3);

  const TensorMap weights = weights_of(model.import());
  CHECK(weights.contains("held"));
  CHECK(weights.contains("typed"));
  const onnx::ModelProto same = trained(model, weights, {.keep_training_mode = true});
  CHECK(MessageDifferencer::Equals(model.model, same));
  onnx::ModelProto expected = model.model;
  onnx::StringStringEntryProto& entry = *expected.add_metadata_props();
  entry.set_key("marvin.loss");
  entry.set_value("0.5");
  const ExportOptions with_metadata = {.keep_training_mode = true, .metadata = {{"marvin.loss", "0.5"}}};
  CHECK(MessageDifferencer::Equals(expected, trained(model, weights, with_metadata)));
}

TEST_CASE("trained weights replace initializers and Constant nodes by name") {
  ModelBuilder model = perceptron();
  model.constant("held", Tensor::of<float>({2, 1}, {1, 2})).node("MatMul", {"y", "held"}, {"z"}).output("z");
  const Tensor b = Tensor::of<float>({2}, {7, 8});
  const Tensor held = Tensor::of<float>({2, 1}, {5, 6});
  const onnx::ModelProto out = trained(model, {{"b", b}, {"held", held}, {"w.momentum", b}}, {});
  CHECK(value_of(out, "b") == b);
  CHECK(tensor_from(maker(out, "held").attribute(0).t(), {}) == held);
  CHECK(value_of(out, "w") == value_of(model.model, "w"));
  CHECK_FALSE(initializer(out, "w.momentum"));
  CHECK_THAT(error_of([&] { trained(model, {{"b", held}}, {}); }), Contains("the weight 'b'") && Contains("f32[2]"));
}

TEST_CASE("the exported model is in inference form unless asked otherwise") {
  const onnx::ModelProto out = trained(training_model(), {}, {});
  const onnx::NodeProto& norm = maker(out, "n");
  CHECK(norm.output_size() == 1);
  CHECK(norm.attribute(0).i() == 0);
  CHECK(maker(out, "z").input_size() == 2);
  CHECK(ops(out) == std::vector<std::string>{"Gemm", "BatchNormalization", "Constant", "Dropout"});
  REQUIRE(out.graph().value_info_size() == 1);
  CHECK(out.graph().value_info(0).name() == "y");
  CHECK(initializer(out, "mean"));
}

TEST_CASE("graphs in nodes and functions are exported in inference form too, and keep what they read") {
  ModelBuilder model;
  model.input("x", {2}).input("c", {}, DType::boolean).constant("ratio", Tensor::scalar(0.5f));
  model.constant("training", Tensor::scalar(true)).node("Dropout", {"x", "ratio", "training"}, {"d"});
  const ModelBuilder yes = ModelBuilder().node("Dropout", {"d", "ratio", "training"}, {"t"}).output("t");
  ModelBuilder no;
  no.node("Not", {"training"}, {"n"}).node("Where", {"n", "x", "d"}, {"t"}).output("t");
  model.node("If", {"c"}, {"i"}, {attribute("then_branch", yes.graph()), attribute("else_branch", no.graph())});
  onnx::FunctionProto& function = *model.model.add_functions();
  function.set_domain("local");
  function.set_name("f");
  for (const char* input : {"a", "s", "m"}) function.add_input(input);
  function.add_output("b");
  ModelBuilder body;
  body.node("BatchNormalization", {"a", "s", "s", "m", "s"}, {"b", "mean", "var"},
            {attribute("training_mode", int64_t{0})});
  body.last_node().mutable_attribute(0)->set_ref_attr_name("mode");
  *function.mutable_node() = body.graph().node();
  model.constant("to", Tensor::of<int64_t>({2}, {1, 2})).node("Reshape", {"i", "to"}, {"r"});
  model.initializer("s", Tensor::of<float>({2}, {1, 1})).initializer("m", Tensor::of<float>({2}, {0, 0}));
  model.node("f", {"r", "s", "m"}, {"y"}, {attribute("mode", int64_t{1})}).last_node().set_domain("local");
  const onnx::ModelProto out = trained(model.output("y"), {}, {});
  CHECK(ops(out) == std::vector<std::string>{"Constant", "Constant", "Dropout", "If", "Constant", "Reshape", "f"});
  CHECK(maker(out, "i").attribute(0).g().node(0).input_size() == 2);
  CHECK(maker(out, "training").op_type() == "Constant");
  const onnx::NodeProto& norm = out.functions(0).node(0);
  CHECK(norm.output_size() == 1);
  CHECK(norm.attribute(0).ref_attr_name().empty());
  CHECK(norm.attribute(0).i() == 0);
  ModelBuilder again;
  again.model = out;
  CHECK(again.import().updates.empty());
}

TEST_CASE("running statistics that the model returns are still returned in inference form") {
  ModelBuilder model = training_model();
  model.output("m");
  const onnx::ModelProto out = trained(model, {}, {});
  CHECK(maker(out, "m").op_type() == "Identity");
  CHECK(maker(out, "m").input(0) == "mean");
}

TEST_CASE("old BatchNormalization is put into inference form by leaving out its statistics") {
  ModelBuilder model(9);
  model.input("x", {1, 2, 3, 3});
  for (const char* name : {"scale", "bias", "mean", "var"}) model.initializer(name, Tensor::of<float>({2}, {1, 1}));
  model.node("BatchNormalization", {"x", "scale", "bias", "mean", "var"}, {"y", "m", "v", "sm", "sv"}).output("y");
  const onnx::ModelProto out = trained(model, {}, {});
  CHECK(maker(out, "y").output_size() == 1);
  CHECK(maker(out, "y").attribute_size() == 0);
}

TEST_CASE("a model that is too large for one file keeps its weights in another beside it") {
  const TemporaryDirectory directory;
  Tensor weights(Type{DType::f32, {20, 30}});
  for (size_t i = 0; i < 600; ++i) weights.as<float>()[i] = static_cast<float>(i);
  ModelBuilder model;
  model.input("x", {1, 20}).initializer("w", weights).constant("c", weights).initializer("small", Tensor::scalar(2.0f));
  model.node("MatMul", {"x", "w"}, {"a"}).node("MatMul", {"x", "c"}, {"b"}).node("Add", {"a", "b"}, {"y"}).output("y");
  const std::string path = directory / "large.onnx";
  save(model.model, path, 3000);
  CHECK(std::filesystem::file_size(path) < 1000);
  CHECK(std::filesystem::file_size(path + ".data") == 8192);
  const OnnxModel loaded = OnnxModel::load(path);
  const Graph graph = loaded.import({});
  CHECK(*graph[graph.find("w")].data == weights);
  CHECK(*graph[graph.find("c")].data == weights);

  export_trained(loaded, {}, {}, directory / "whole.onnx");
  CHECK_FALSE(std::filesystem::exists(directory / "whole.onnx.data"));
  CHECK(value_of(read_proto(directory / "whole.onnx"), "w") == weights);
  CHECK_THAT(error_of([&] { save(model.model, path, 50); }), Contains("over 2 GiB without its weights"));
  CHECK(file_content(path + ".data").size() == 8192);  // what was there before
}

TEST_CASE("weights that came beside the model are put into the exported file") {
  const TemporaryDirectory directory;
  const std::vector<float> numbers = {1, 2};
  write_file(directory / "b.bin", std::string(reinterpret_cast<const char*>(numbers.data()), 8));
  ModelBuilder model = perceptron();
  onnx::TensorProto& b = *model.graph().mutable_initializer(1);
  b.clear_raw_data();
  b.set_data_location(onnx::TensorProto::EXTERNAL);
  onnx::StringStringEntryProto& entry = *b.add_external_data();
  entry.set_key("location");
  entry.set_value("b.bin");
  const OnnxModel loaded = OnnxModel::load(write_file(directory / "m.onnx", model.model.SerializeAsString()));
  CHECK(*loaded.import({})[loaded.import({}).find("b")].data == Tensor::of<float>({2}, {1, 2}));
  export_trained(loaded, {}, {}, directory / "out.onnx");
  CHECK(MessageDifferencer::Equals(read_proto(directory / "out.onnx"), perceptron().model));
}

TEST_CASE("files are written whole or not at all") {
  const TemporaryDirectory directory;
  write_file_atomically(directory / "a", "one");
  write_file_atomically(directory / "a", "two");
  CHECK(file_content(directory / "a") == "two");
  CHECK_THAT(error_of([&] { write_file_atomically(directory / "no/a", "x"); }), Contains("No such file or directory"));
  CHECK_THAT(error_of([&] { write_file_atomically(directory / "", "x"); }), Contains("not a regular file"));
  CHECK_THAT(error_of([] { write_file_atomically("/dev/null", "x"); }), Contains("not a regular file"));
  CHECK_THAT(error_of([] { write_file_atomically("/proc/marvin", "x"); }), Contains("cannot write '/proc/marvin'"));
  const std::filesystem::directory_iterator left(directory.path());
  CHECK(std::distance(left, {}) == 1);
}

TEST_CASE("files are written through symbolic links") {
  namespace fs = std::filesystem;
  const TemporaryDirectory directory;
  fs::create_directory(directory / "far");
  fs::create_symlink("far/file", directory / "near");
  fs::create_symlink("near", directory / "nearer");
  for (const std::string text : {"one", "two"}) {  // the first makes what the links lead to
    write_file_atomically(directory / "nearer", text);
    CHECK(file_content(directory / "far/file") == text);
  }
  CHECK(fs::is_symlink(directory / "nearer"));
  CHECK(fs::is_symlink(directory / "near"));
  fs::create_symlink("circle", directory / "circle");
  CHECK_THAT(error_of([&] { write_file_atomically(directory / "circle", "x"); }), Contains("circle"));
}

// ---- Graphs ---------------------------------------------------------------------------------------------------------

TEST_CASE("a node that says more than ONNX's op can is marvin's, one that newer opsets have is ONNX's") {
  const TemporaryDirectory directory;
  const std::string path = directory / "g.onnx";
  export_graph(from_text(R"(graph g {
    input %x: f32[2,3]
    input %labels: i64[2]
    %plain: f32[2,3] = Cast(%x) { to = 1, saturate = 0 }
    %y: f32[2,2] = MatMul(%x, %plain) { transB = 1 }
    %loss: f32[] = SoftmaxCrossEntropyLoss(%x, %labels)
    %smooth: f32[] = SoftmaxCrossEntropyLoss(%x, %labels) { label_smoothing = 0.5 }
    output %y
    output %loss
    output %smooth
  })"),
               {}, path);
  const onnx::ModelProto out = read_proto(path);
  CHECK(maker(out, "plain").domain().empty());
  CHECK(maker(out, "y").domain() == "marvin");
  CHECK(maker(out, "loss").domain().empty());
  CHECK(maker(out, "smooth").domain() == "marvin");
}

TEST_CASE("any graph can be written for viewers") {
  const Graph graph = from_text(R"(graph g {
    input %x: f32[2,3]
    parameter %w: f32[3,2]
    constant %c: f32[2] = {1, 2}
    slot x: fc activation
  forward:
    %x.q: i8[2,3], %x.stats: f32[5] = Quantize(%x) slot x
    %y: f32[2,2] = MatMul(%x, %w)
    %z: f32[2,2] = Add(%y, %c) named "sum"
    output %z
    output %x.q
    output %x.stats
    update %w <- %w
  })");
  const TemporaryDirectory directory;
  const Formats formats = {{"x", {8, 5}}};
  export_graph(graph, formats, directory / "g.onnx");
  const onnx::ModelProto out = read_proto(directory / "g.onnx");
  CHECK(out.opset_import_size() == 2);
  CHECK(out.graph().input_size() == 2);  // x, and w, which has no data
  CHECK(value_of(out, "c") == Tensor::of<float>({2}, {1, 2}));
  const onnx::NodeProto& quantize = maker(out, "x.q");
  CHECK(quantize.domain() == "marvin");
  CHECK(maker(out, "y").domain().empty());
  CHECK(maker(out, "z").name() == "sum");
  CHECK(out.graph().value_info_size() == 4);
  CHECK(out.graph().output_size() == 4);
  CHECK(metadata(out, "marvin.update.w") == "w");
  CHECK(metadata(out, "marvin.format.x") == "8,5");

  std::map<std::string, std::string> annotations;
  const google::protobuf::UnknownFieldSet& fields = quantize.GetReflection()->GetUnknownFields(quantize);
  for (int i = 0; i < fields.field_count(); ++i) {
    CHECK(fields.field(i).number() == 9);
    onnx::StringStringEntryProto entry;
    REQUIRE(entry.ParseFromString(fields.field(i).length_delimited()));
    annotations[entry.key()] = entry.value();
  }
  CHECK(annotations ==
        std::map<std::string, std::string>{
            {"format", "<8,5>"}, {"layer", "fc"}, {"phase", "forward"}, {"role", "activation"}, {"slot", "x"}});
  for (const onnx::ValueInfoProto& info : out.graph().value_info())
    if (info.name() == "x.q") CHECK(info.type().tensor_type().elem_type() == onnx::TensorProto::INT8);
}

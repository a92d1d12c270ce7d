#include <cmath>

#include "runtime/precision/push_down.h"
#include "tests/precision/bench.h"

namespace marvin {
namespace {

// Two layers with weights, a bias, a normalization between them, and gradients both ways.
void add_layers(Bench& bench) {
  bench.add(Role::activation, uniform(1), "x", "conv1");
  bench.add(Role::weight, uniform(0.1f), "conv1.weight", "conv1");
  bench.add(Role::activation, uniform(1), "r", "conv2");
  bench.add(Role::weight, uniform(0.4f), "conv2.weight", "conv2");
  bench.add(Role::activation, uniform(1), "q", "scores");
  bench.add(Role::gradient, uniform(1), "d.y", "conv2");
  for (const std::string name : {"conv1.weight", "conv1.bias", "bn1.weight", "conv2.weight"}) {
    bench.add(Role::gradient, uniform(1e-3f), name + ".gradient", name.substr(0, name.find('.')), true);
  }
}

TEST_CASE("paper starts at <8,4>, and gradients that flow back stay in float32") {
  Bench bench("paper");
  add_layers(bench);
  bench.begin();
  for (size_t i = 0; i < bench.formats.size(); ++i)
    CHECK(bench.formats[i] == (i == 5 ? FixedPoint{} : FixedPoint{8, 4}));
  // Activations of no weight's layer, and gradients of normalizations, go with the layer before.
  CHECK(std::get<PaperState>(bench.state).layer == std::vector<int64_t>{0, 0, 1, 1, 1, -1, 0, 0, 0, 1});
}

TEST_CASE("a gradient goes with its own weight, whatever other names begin like it") {
  Bench bench("paper");
  for (const std::string name : {"a.b", "a"}) bench.add(Role::weight, uniform(1), name, "layer of " + name);
  for (const std::string name : {"a.b.gradient", "a.gradient"}) bench.add(Role::gradient, uniform(1), name, "", true);
  bench.begin();
  CHECK(std::get<PaperState>(bench.state).layer == std::vector<int64_t>{0, 1, 0, 1});
}

TEST_CASE("a layer decides when its look-back ends, and all that belongs to it switches together") {
  for (const std::string spec : {"paper:sound,lb_min=25,lb_max=100", "paper:released"}) {
    INFO(spec);
    Bench bench(spec);
    add_layers(bench);
    bench.begin();
    bench.gradients = 16;
    bench.gradient_sum_norm = 4;  // a diversity of 4 asks for look-backs of 25
    CHECK(bench.run(24).empty());
    const std::vector<FormatChange> first = bench.run(1);
    CHECK(first.size() == 9);  // all but the gradient that flows back
    CHECK(bench.decision.restart == std::vector<uint8_t>{0, 1, 0, 1, 0, 0, 0, 0, 0, 0});
    for (const FormatChange& change : first) {
      CHECK(change.to.fl == 5);   // strategy min adds a bit to four
      CHECK(change.to.wl == 13);  // eight before the point
      CHECK(change.evidence.lookback == 25);
      CHECK(change.evidence.diversity == 4);
    }
    CHECK(bench.run(24).empty());
    bench.run(1);
    for (const size_t i : {0, 1, 6, 7, 8}) CHECK(bench.formats[i] == bench.formats[1]);
    for (const size_t i : {2, 3, 4, 9}) CHECK(bench.formats[i] == bench.formats[3]);
  }
}

TEST_CASE("gradients that cancel, or are all zero, add one bit and shorten the look-back") {
  Bench bench("paper");
  add_layers(bench);
  bench.begin();
  bench.gradients = 0;
  bench.gradient_sum_norm = 0;
  CHECK(bench.run(24).empty());
  CHECK(bench.run(1).size() == 9);
  CHECK(std::isinf(bench.decision.changes[0].evidence.diversity));
  CHECK(bench.formats[1] == FixedPoint{13, 5});
}

TEST_CASE("similar gradients lengthen the look-back to the longest and refine the histogram") {
  Bench bench("paper:gamma=1");
  add_layers(bench);
  bench.begin();
  bench.gradients = 7;
  bench.gradient_sum_norm = 7;
  CHECK(bench.run(99).empty());
  CHECK(bench.run(1).size() == 9);
  const PaperState::Layer& layer = std::get<PaperState>(bench.state).layers[0];
  CHECK(layer.lookback == 100);
  CHECK(layer.resolution == 150);
}

TEST_CASE("a loss that stalls escalates the strategy, whose words then have up to 32 bits") {
  Bench bench("paper:penalty=0");
  add_layers(bench);
  bench.begin();
  bench.gradients = 100;
  bench.gradient_sum_norm = 10;
  for (int i = 0; i < 24; ++i) bench.run(1, 1.0 + i);
  CHECK(std::get<PaperState>(bench.state).strategy == Strategy::min);  // no more losses than the look-back has steps
  for (int i = 24; i < 30; ++i) bench.run(1, 1.0 + i);
  CHECK(std::get<PaperState>(bench.state).strategy == Strategy::max);
  bench.run(20, 100);
  CHECK(bench.formats[1] == FixedPoint{32, 24});
  CHECK(bench.formats[0] == FixedPoint{32, 24});
  bench.run(1, 0.1);
  CHECK(std::get<PaperState>(bench.state).strategy == Strategy::min);
}

TEST_CASE("settings of paper and muppet that make no sense are errors that say which") {
  CHECK_NOTHROW(make_policy("paper:released,lb_min=256,lb_max=100"));  // as in a published configuration
  CHECK_NOTHROW(make_policy("paper:buff=4,gamma=0.9"));
  CHECK_NOTHROW(make_policy("paper,lb_min=50,lb_max=150"));
  CHECK_NOTHROW(make_policy("muppet,patience=2"));
  CHECK_THROWS_WITH(make_policy("paper,"), Catch::Contains("nothing follows the comma; give paper alone"));
  CHECK_THROWS_WITH(make_policy("paper:buf=4"), Catch::Contains("Did you mean 'buff'?"));
  CHECK_THROWS_WITH(make_policy("paper:buff=40"),
                    Catch::Contains("buff=40 makes no sense; it is an integer from 0 to 24"));
  CHECK_THROWS_WITH(make_policy("paper:buff=4.5"), Catch::Contains("buff=4.5"));
  CHECK_THROWS_WITH(make_policy("paper:gamma"), Catch::Contains("has no value"));
  CHECK_THROWS_WITH(make_policy("paper:gamma=nan"), Catch::Contains("gamma=nan"));
  CHECK_THROWS_WITH(make_policy("paper:gamma=0.1,gamma=0.2"), Catch::Contains("twice"));
  CHECK_THROWS_WITH(make_policy("paper:r_min=60,r_max=50"), Catch::Contains("r_min is above r_max"));
  CHECK_THROWS_WITH(make_policy("paper:sound,lb_min=20,lb_max=5"), Catch::Contains("lb_min is above lb_max"));
  CHECK_THROWS_WITH(make_policy("paper:"), Catch::Contains("--precision paper:: nothing follows the colon"));
  CHECK_THROWS_WITH(make_policy("muppet:"), Catch::Contains("nothing follows the colon"));
  CHECK_THROWS_WITH(make_policy("paper:soundly"), Catch::Contains("no setting 'soundly'"));
  CHECK_THROWS_WITH(make_policy("papers"), Catch::Contains("Did you mean 'paper'?"));
  CHECK_THROWS_WITH(make_policy("muppet:patience=0"), Catch::Contains("patience=0"));
}

}  // namespace
}  // namespace marvin

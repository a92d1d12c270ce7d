#include "tests/precision/bench.h"

namespace marvin {
namespace {

// Most values so small that 8 bits, fitted to the few large ones, round them to zero.
std::vector<float> heavy_tailed() {
  std::vector<float> values = uniform(0.001f);
  values[7] = 1;
  return values;
}

struct AdaptiveBench : Bench {
  using Bench::Bench;
  const std::vector<AdaptiveState::Slot>& slots() const { return std::get<AdaptiveState>(state).slots; }
};

TEST_CASE("fixed:WL.FL never switches and fixed:WL follows the range") {
  Bench literal("fixed:8.5");
  literal.add(Role::weight, uniform(100));
  literal.begin();
  CHECK(literal.formats[0] == FixedPoint{8, 5});
  CHECK(literal.run(200).empty());

  Bench fitted("fixed:6");
  fitted.add(Role::activation, uniform(0.9f));
  fitted.begin();
  CHECK(fitted.formats[0] == FixedPoint{6, 5});
  fitted.sample(0) = uniform(3.0f);
  const std::vector<FormatChange> up = fitted.run(1);
  REQUIRE(up.size() == 1);
  CHECK(up[0].to == FixedPoint{6, 3});
  CHECK(up[0].evidence.reason == "saturation");
  fitted.sample(0) = uniform(0.4f);
  const std::vector<FormatChange> down = fitted.run(600);
  CHECK(!down.empty());
  CHECK(down.size() <= 4);  // one move per halving of the decayed range, no oscillation
  CHECK(fitted.formats[0] == FixedPoint{6, 6});
}

TEST_CASE("a range just around a power of two does not make the point oscillate") {
  Bench bench("fixed:8");
  bench.add(Role::activation, uniform(1.001f));
  bench.begin();
  size_t switches = 0;
  for (int i = 0; i < 40; ++i) {
    bench.sample(0)[0] = i % 2 ? 1.01f : 0.97f;
    switches += bench.run(25).size();
  }
  CHECK(switches <= 1);
}

TEST_CASE("the point of gradients follows their range within tens of steps, that of activations within hundreds") {
  Bench bench("fixed:8");
  for (const Role role : {Role::gradient, Role::activation}) bench.add(role, uniform(1));
  bench.begin();
  for (size_t i : {0, 1}) bench.sample(i) = uniform(0.1f);
  bench.run(30);
  CHECK(bench.formats[0] == FixedPoint{8, 10});
  CHECK(bench.formats[1] == FixedPoint{8, 7});
  bench.run(270);
  CHECK(bench.formats[0] == FixedPoint{8, 10});
  CHECK(bench.formats[1] == FixedPoint{8, 10});
}

TEST_CASE("adaptive starts every slot in eight bits with the point at its range") {
  AdaptiveBench bench("adaptive");
  bench.add(Role::weight, uniform(0.1f));
  bench.add(Role::activation, uniform(5));
  bench.add(Role::gradient, uniform(1e-5f));
  bench.begin();
  CHECK(bench.formats[0] == FixedPoint{8, 10});
  CHECK(bench.formats[1] == FixedPoint{8, 4});
  CHECK(bench.formats[2] == FixedPoint{8, 23});
}

TEST_CASE("adaptive widens a slot whose distribution eight bits destroy, and narrows it again after") {
  AdaptiveBench bench("adaptive");
  bench.add(Role::gradient, uniform(1));
  bench.begin();
  CHECK(bench.run(300).empty());

  bench.sample(0) = heavy_tailed();
  const std::vector<FormatChange> up = bench.run(101);
  REQUIRE(!up.empty());
  CHECK(up[0].to.wl == 16);
  CHECK(up[0].evidence.reason == "magnitude error");
  CHECK(up[0].evidence.needed_wl > 8);

  bench.sample(0) = uniform(1);
  const std::vector<FormatChange> down = bench.run(200);
  REQUIRE(down.size() == 1);
  CHECK(down[0].to == FixedPoint{8, 7});
}

TEST_CASE("adaptive gives a slot all of whose partners have 16 bits as many, and takes them away again") {
  AdaptiveBench bench("adaptive");
  bench.add(Role::activation, heavy_tailed());
  bench.add(Role::weight, uniform(1));
  bench.add(Role::gradient, uniform(1));
  bench.partners = {{1, 2}, {0}, {0, 1}};
  bench.begin();
  CHECK(bench.formats[0].wl == 16);
  CHECK(bench.formats[1].wl == 16);  // multiplied with the first slot alone
  CHECK(bench.formats[2].wl == 8);   // with the weight as well, which needs no more than 8

  bench.sample(0) = uniform(1);
  bench.run(400);
  CHECK(bench.formats[1].wl == 8);
  bench.sample(0) = heavy_tailed();
  const std::vector<FormatChange> up = bench.run(200);
  const auto weight = std::ranges::find(up, size_t{1}, &FormatChange::slot);
  REQUIRE(weight != up.end());
  CHECK(weight->evidence.reason == "partner");
  CHECK(bench.formats[1].wl == 16);
}

TEST_CASE("a slot that had to come back up holds longer before it narrows again") {
  AdaptiveBench bench("adaptive");
  bench.add(Role::gradient, uniform(1));
  bench.begin();
  std::vector<int> holds;
  for (int i = 0; i < 4; ++i) {
    bench.sample(0) = heavy_tailed();
    bench.run(101);
    bench.sample(0) = uniform(1);
    bench.run(101 * bench.slots()[0].hold);
    holds.push_back(bench.slots()[0].hold);
  }
  CHECK(holds.front() == 1);
  CHECK(holds.back() > 2);
}

TEST_CASE("adaptive lets gradient diversity ask for more than eight bits only while the loss rises") {
  AdaptiveBench bench("adaptive");
  bench.add(Role::weight, uniform(1));
  bench.begin();
  bench.gradients = 25;
  bench.gradient_sum_norm = 5;  // a diversity of 5 asks for three bits in strategy min, eight in max
  CHECK(bench.run(300, 1.0).empty());
  std::vector<FormatChange> changes;
  for (int i = 0; i < 12 && changes.empty(); ++i) changes = bench.run(25, 1.0 + i);
  REQUIRE(!changes.empty());
  CHECK(changes[0].to.wl == 16);
  CHECK(changes[0].evidence.reason == "gradient diversity");
  bench.run(400, 0.5);
  CHECK(bench.formats[0].wl == 8);
}

TEST_CASE("slots do not all decide in the same step") {
  AdaptiveBench bench("adaptive");
  for (int i = 0; i < 20; ++i) bench.add(Role::activation, uniform(1));
  bench.begin();
  size_t most = 0;
  for (int step = 0; step < 100; ++step) {
    bench.run(1);
    size_t now = 0;
    for (const AdaptiveState::Slot& slot : bench.slots()) now += slot.since == 0;
    most = std::max(most, now);
  }
  CHECK(most >= 1);
  CHECK(most <= 4);
}

TEST_CASE("the same windows give the same switches") {
  const auto formats_after = [] {
    AdaptiveBench bench("adaptive");
    bench.add(Role::gradient, heavy_tailed());
    bench.add(Role::activation, uniform(3));
    bench.begin();
    bench.run(250);
    return bench.formats;
  };
  CHECK(formats_after() == formats_after());
}

TEST_CASE("an unknown precision is an error that suggests") {
  CHECK_THROWS_WITH(make_policy("adaptve"), Catch::Contains("Did you mean 'adaptive'?"));
  CHECK_THROWS_WITH(make_policy("fixed:40"), Catch::Contains("word length from 2 to 24"));
  CHECK_THROWS_AS(make_policy("fixed:8.x"), Error);
  CHECK(make_policy("float32") == nullptr);
}

}  // namespace
}  // namespace marvin

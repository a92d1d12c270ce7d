// Counting n-grams.
#include <map>
#include <numeric>

#include "runtime/ops/types.h"

namespace marvin {
namespace {

// The n-grams of the pool, by their elements, with the place of each in the output.
using Pool = std::map<std::vector<int64_t>, size_t>;

// The n-grams of n elements begin at ngram_counts[n - 1] of the pool, in which they lie one behind the other.
Pool pool_of(const Attrs& attrs) {
  const std::vector<int64_t>& starts = attrs.integers("ngram_counts");
  const std::vector<int64_t>& elements = attrs.integers("pool_int64s");
  const std::vector<int64_t>& places = attrs.integers("ngram_indexes");
  Pool pool;
  size_t gram = 0;
  for (size_t n = 1; n <= starts.size(); ++n) {
    const int64_t end = n < starts.size() ? starts[n] : static_cast<int64_t>(elements.size());
    if (starts[n - 1] < 0 || starts[n - 1] > end || end > static_cast<int64_t>(elements.size()) ||
        (end - starts[n - 1]) % static_cast<int64_t>(n) != 0) {
      throw Error("ngram_counts do not divide pool_int64s into n-grams");
    }
    for (int64_t at = starts[n - 1]; at < end; at += static_cast<int64_t>(n), ++gram) {
      if (gram >= places.size()) throw Error("ngram_indexes has fewer entries than the pool has n-grams");
      pool.emplace(std::vector<int64_t>(elements.begin() + at, elements.begin() + at + static_cast<int64_t>(n)),
                   static_cast<size_t>(places[gram]));
    }
  }
  return pool;
}

std::vector<Type> infer_tfidf(const InferContext& context) {
  const Type& x = context.type(0);
  if ((x.dtype != DType::i32 && x.dtype != DType::i64) || x.rank() < 1 || x.rank() > 2)
    throw Error("takes i32 or i64 of one or two axes, not ", text_of(x));
  const Attrs& attrs = context.attrs;
  constexpr int64_t kLargest = 1 << 24;
  int64_t width = 0;
  for (const int64_t place : attrs.integers("ngram_indexes")) {
    if (place < 0 || place >= kLargest) throw Error("ngram_indexes has the entry ", place);
    width = std::max(width, place + 1);
  }
  const int64_t longest = attrs.integer("max_gram_length"), shortest = attrs.integer("min_gram_length");
  if (shortest < 1 || longest < shortest || attrs.integer("max_skip_count") < 0)
    throw Error("n-grams of ", shortest, " to ", longest, " elements with ", attrs.integer("max_skip_count"),
                " skipped make no sense");
  const std::string& mode = attrs.string("mode");
  if (mode != "TF" && mode != "IDF" && mode != "TFIDF") throw Error("mode '", mode, "' is not TF, IDF or TFIDF");
  const auto& weights = attrs.get<std::vector<float>>("weights");
  if (!weights.empty() && weights.size() < attrs.integers("ngram_indexes").size())
    throw Error("weights has fewer entries than ngram_indexes");
  pool_of(attrs);
  Shape shape = x.shape;
  shape.back() = width;
  return {Type{DType::f32, shape}};
}

struct Counter {
  Pool pool;
  std::vector<float> weight_of;  // by place
  std::vector<int64_t> gram;     // the one that is looked up
};

Prepared prepare_tfidf(const KernelQuery& query) {
  const auto counter = std::make_shared<Counter>();
  counter->pool = pool_of(query.attrs);
  counter->weight_of.assign(static_cast<size_t>(query.out[0]->shape.back()), 1.0f);
  const auto& weights = query.attrs.get<std::vector<float>>("weights");
  const std::vector<int64_t>& places = query.attrs.integers("ngram_indexes");
  for (size_t i = 0; i < places.size() && !weights.empty(); ++i)
    counter->weight_of[static_cast<size_t>(places[i])] = weights[i];
  counter->gram.reserve(static_cast<size_t>(query.attrs.integer("max_gram_length")));
  return {counter};
}

template <class T>
void count(const T* x, int64_t length, const Attrs& attrs, Counter& counter, float* y) {
  for (int64_t n = attrs.integer("min_gram_length"); n <= attrs.integer("max_gram_length"); ++n) {
    const int64_t skips = n == 1 ? 0 : attrs.integer("max_skip_count");
    for (int64_t step = 1; step <= skips + 1; ++step) {
      for (int64_t first = 0; first < length && (n - 1) <= (length - 1 - first) / step; ++first) {
        counter.gram.clear();
        for (int64_t k = 0; k < n; ++k) counter.gram.push_back(static_cast<int64_t>(x[first + k * step]));
        if (const auto found = counter.pool.find(counter.gram); found != counter.pool.end()) y[found->second] += 1;
      }
    }
  }
}

void run_tfidf(const KernelArgs& args) {
  const Shape& in = args.in_type(0).shape;
  const int64_t width = args.out_type().shape.back(), length = in.back(), rows = in.size() == 2 ? in[0] : 1;
  Counter& counter = *static_cast<Counter*>(args.state);
  const std::string& mode = args.attrs().string("mode");
  float* y = args.output<float>();
  std::fill_n(y, rows * width, 0.0f);
  for (int64_t row = 0; row < rows; ++row, y += width) {
    if (args.in_type(0).dtype == DType::i32)
      count(args.input<int32_t>(0) + row * length, length, args.attrs(), counter, y);
    else
      count(args.input<int64_t>(0) + row * length, length, args.attrs(), counter, y);
    for (int64_t i = 0; i < width && mode != "TF"; ++i) {
      const float weight = counter.weight_of[static_cast<size_t>(i)];
      y[i] = mode == "TFIDF" ? y[i] * weight : y[i] > 0 ? weight : 0;
    }
  }
}

}  // namespace

extern const OpDef kTfIdfVectorizer = {
    .name = "TfIdfVectorizer",
    .doc =
        "How often every n-gram of a pool of integers occurs in each row of x [n,c] or [c], its elements up to "
        "max_skip_count apart; mode TF: counts, IDF: the weights of those that occur, TFIDF: counts times weights",
    .defaults = {{"pool_int64s", std::vector<int64_t>{}}, {"weights", std::vector<float>{}}},
    .required = {"max_gram_length", "max_skip_count", "min_gram_length", "mode", "ngram_counts", "ngram_indexes"},
    .infer = infer_tfidf,
    .gradient = no_gradient,
    .kernels = {{.name = "tfidf", .prepare = prepare_tfidf, .run = run_tfidf}},
};

}  // namespace marvin

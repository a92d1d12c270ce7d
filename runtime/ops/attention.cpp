// Attention and rotary position embedding, written out as products, softmax and elementwise ops.
#include <cmath>
#include <limits>

#include "runtime/ops/types.h"

namespace marvin {
namespace {

// ---- Attention ------------------------------------------------------------------------------------------------------

// Which stage of the scores the fourth output is.
enum Stage : int64_t { after_scale, after_cap, after_mask, after_softmax, kCount };

class AttentionWriter {
 public:
  explicit AttentionWriter(ExpandContext& context) : c_(context) {
    stage_ = c_.attrs().integer("qk_matmul_output_mode");
    if (stage_ < 0 || stage_ >= kCount) throw Error("qk_matmul_output_mode is 0, 1, 2 or 3, not ", stage_);
    is_flat_ = c_.type(c_.in(0)).rank() == 3;
    q_ = heads(0, "q_num_heads");
    k_ = with_past(heads(1, "kv_num_heads"), 4);
    v_ = with_past(heads(2, "kv_num_heads"), 5);
    read_sizes();
  }

  // Y, the present key and value, and the scores.
  std::vector<ValueId> run() {
    ValueId scores = scaled_scores();
    record(after_scale, scores);
    scores = capped(scores);
    record(after_cap, scores);
    scores = masked(scores);
    record(after_mask, scores);
    const ValueId weights = softmax(scores);
    record(after_softmax, weights);
    return {output(weights), k_, v_, recorded_};
  }

 private:
  // Operand i as [n, heads, length, size]: [n, length, heads * size] is split by the attribute.
  ValueId heads(size_t i, std::string_view attribute) {
    const ValueId value = c_.in(i);
    const Shape shape = c_.shape(value);
    if (shape.size() != (is_flat_ ? 3 : 4)) {
      throw Error("query, key and value must have all three or all four axes, not [", text_of(shape), "]");
    }
    if (!is_flat_) return value;
    const int64_t count = c_.attrs().integer(attribute);
    if (count < 1) throw Error(attribute, " must be given with operands of three axes");
    if (shape[2] % count != 0) throw Error(attribute, "=", count, " does not divide ", shape[2]);
    return c_.transpose(c_.reshape(value, {shape[0], shape[1], count, shape[2] / count}), {0, 2, 1, 3});
  }

  ValueId with_past(ValueId value, size_t past) {
    return c_.in(past).valid() ? c_.build("Concat", {c_.in(past), value}, {{"axis", int64_t{2}}}) : value;
  }

  void read_sizes() {
    const Shape q = c_.shape(q_), k = c_.shape(k_), v = c_.shape(v_);
    batch_ = q[0], heads_ = q[1], rows_ = q[2];
    kv_heads_ = k[1], columns_ = k[2];
    past_ = c_.in(4).valid() ? c_.shape(c_.in(4))[2] : 0;
    if (k[0] != batch_ || v[0] != batch_ || v[1] != kv_heads_ || v[2] != columns_ || k[3] != q[3]) {
      throw Error("query [", text_of(q), "], key [", text_of(k), "] and value [", text_of(v), "] do not fit");
    }
    if (kv_heads_ < 1 || heads_ % kv_heads_ != 0) {
      throw Error("the ", kv_heads_, " heads of the key do not divide the ", heads_, " of the query");
    }
    if (q[3] < 1) throw Error("the query is empty: [", text_of(q), "]");
  }

  void record(Stage stage, ValueId scores) {
    if (stage_ == stage) recorded_ = scores;
  }

  // Heads of the query that share one of the key are rows of one product.
  ValueId grouped(ValueId value, int64_t last) {
    return c_.reshape(value, {batch_, kv_heads_, heads_ / kv_heads_ * rows_, last});
  }
  ValueId ungrouped(ValueId value, int64_t last) { return c_.reshape(value, {batch_, heads_, rows_, last}); }

  ValueId scaled_scores() {
    const int64_t size = c_.shape(q_)[3];
    const float given = c_.attrs().real("scale");
    const double scale = given != 0 ? given : 1 / std::sqrt(static_cast<double>(size));
    const ValueId query = c_.build("Mul", {q_, c_.scalar_like(q_, scale)});
    const ValueId product = c_.build("MatMul", {grouped(query, size), k_}, {{"transB", int64_t{1}}});
    return ungrouped(product, columns_);
  }

  ValueId capped(ValueId scores) {
    const float cap = c_.attrs().real("softcap");
    if (cap == 0) return scores;
    const ValueId limit = c_.scalar_like(scores, cap);
    return c_.build("Mul", {c_.build("Tanh", {c_.build("Div", {scores, limit})}), limit});
  }

  ValueId masked(ValueId scores) {
    ValueId allowed = both(causal(), not_padded());
    if (const ValueId mask = c_.in(3); mask.valid()) {
      const bool is_bool = c_.type(mask).dtype == DType::boolean;
      if (is_bool)
        allowed = both(full_width(mask), allowed);
      else
        scores = c_.build("Add", {scores, full_width(mask)});
    }
    if (!allowed.valid()) return scores;
    return c_.build("Where", {allowed, scores, c_.scalar_like(scores, -std::numeric_limits<double>::infinity())});
  }

  ValueId both(ValueId a, ValueId b) { return a.valid() && b.valid() ? c_.build("And", {a, b}) : a.valid() ? a : b; }

  // Keys beyond the mask's are masked.
  ValueId full_width(ValueId mask) {
    Type rest = c_.type(mask);
    if (rest.rank() == 0) throw Error("the mask must have axes");
    if (rest.shape.back() >= columns_ || rest.shape.back() == 1) return mask;
    rest.shape.back() = columns_ - rest.shape.back();
    Tensor filler(rest);
    if (rest.dtype != DType::boolean) {
      visit_float(rest.dtype, [&](auto zero) {
        using T = decltype(zero);
        std::ranges::fill(filler.as<T>(), -std::numeric_limits<T>::infinity());
      });
    }
    return c_.build("Concat", {mask, c_.constant(std::move(filler))}, {{"axis", int64_t{-1}}});
  }

  ValueId positions(int64_t count, const Shape& shape) {
    Tensor numbers(Type{DType::i64, shape});
    for (int64_t i = 0; i < count; ++i) numbers.as<int64_t>()[static_cast<size_t>(i)] = i;
    return c_.constant(std::move(numbers));
  }

  // The number of keys of each sequence that are not padding, [n,1,1,1]; none where all are.
  ValueId lengths() {
    const ValueId lengths = c_.in(6);
    if (!lengths.valid()) return {};
    return c_.reshape(c_.cast(lengths, DType::i64), {batch_, 1, 1, 1});
  }

  // Query i sees the keys up to its own, which is the one at i behind the past; the last query sees the last key where
  // lengths say which that is.
  ValueId causal() {
    if (c_.attrs().integer("is_causal") == 0) return {};
    ValueId last = positions(rows_, {rows_, 1});
    ValueId offset = c_.constant(Tensor::scalar<int64_t>(past_));
    if (!c_.in(4).valid() && c_.in(6).valid())
      offset = c_.build("Sub", {lengths(), c_.constant(Tensor::scalar<int64_t>(rows_))});
    last = c_.build("Add", {last, offset});
    return c_.build("LessOrEqual", {positions(columns_, {columns_}), last});
  }

  ValueId not_padded() {
    const ValueId count = lengths();
    return count.valid() ? c_.build("Less", {positions(columns_, {columns_}), count}) : ValueId{};
  }

  // In double where the node asks for it; in the type of the scores where it asks for less.
  ValueId softmax(ValueId scores) {
    const DType dtype = c_.type(scores).dtype;
    const int64_t precision = c_.attrs().integer("softmax_precision");
    const bool wide = precision != 0 && dtype_of_onnx(precision) == DType::f64;
    const ValueId weights = c_.build("Softmax", {wide ? c_.cast(scores, DType::f64) : scores}, {{"axis", int64_t{-1}}});
    return c_.cast(weights, dtype);
  }

  ValueId output(ValueId weights) {
    const int64_t size = c_.shape(v_)[3];
    const ValueId y = ungrouped(c_.build("MatMul", {grouped(weights, columns_), v_}), size);
    return is_flat_ ? c_.reshape(c_.transpose(y, {0, 2, 1, 3}), {batch_, rows_, heads_ * size}) : y;
  }

  ExpandContext& c_;
  bool is_flat_ = false;
  int64_t stage_ = 0;
  int64_t batch_ = 0, heads_ = 0, kv_heads_ = 0, rows_ = 0, columns_ = 0, past_ = 0;
  ValueId q_, k_, v_, recorded_;
};

// ---- Rotary embedding -----------------------------------------------------------------------------------------------

class RotaryWriter {
 public:
  explicit RotaryWriter(ExpandContext& context) : c_(context), x_(c_.in(0)), shape_(c_.shape(x_)) {
    if (shape_.size() == 3) {
      const int64_t heads = c_.attrs().integer("num_heads");
      if (heads < 1 || shape_[2] % heads != 0) {
        throw Error("num_heads=", heads, " must divide the last extent of [", text_of(shape_), "]");
      }
      heads_axis_ = 2;
      x_ = c_.reshape(x_, {shape_[0], shape_[1], heads, shape_[2] / heads});
    } else if (shape_.size() != 4) {
      throw Error("x must have three or four axes, not [", text_of(shape_), "]");
    }
    const int64_t size = c_.shape(x_)[3], stated = c_.attrs().integer("rotary_embedding_dim");
    rotated_ = stated == 0 ? size : stated;
    if (rotated_ < 2 || rotated_ > size || rotated_ % 2 != 0) {
      throw Error("of the ", size, " elements of a head, ", rotated_, " cannot be rotated in pairs");
    }
  }

  ValueId run() {
    const int64_t rest = c_.shape(x_)[3] - rotated_;
    if (rest == 0) return c_.reshape(rotate(x_), shape_);
    const std::vector<ValueId> parts = split(x_, {rotated_, rest});
    return c_.reshape(join(rotate(parts[0]), parts[1]), shape_);
  }

 private:
  std::vector<ValueId> split(ValueId x, const Shape& extents) {
    return c_.build_many("Split", {x, c_.constant_shape(extents)}, {{"axis", int64_t{-1}}}, {true, true});
  }
  ValueId join(ValueId a, ValueId b) { return c_.build("Concat", {a, b}, {{"axis", int64_t{-1}}}); }
  ValueId mul(ValueId a, ValueId b) { return c_.build("Mul", {a, b}); }

  // Operand i by position, [n,1,length,half] or [n,length,1,half].
  ValueId angles(size_t i) {
    ValueId cache = c_.in(i);
    if (c_.in(3).valid()) cache = c_.build("Gather", {cache, c_.in(3)}, {{"axis", int64_t{0}}});
    const int64_t length = shape_[heads_axis_ == 1 ? 2 : 1], half = rotated_ / 2;
    const Shape shape = c_.shape(cache), wanted = {shape_[0], length, half};
    if (shape != wanted) {
      throw Error(i == 1 ? "cos" : "sin", "_cache is [", text_of(shape), "] by position, not [", text_of(wanted), "]");
    }
    return c_.reshape(cache, heads_axis_ == 1 ? Shape{shape_[0], 1, length, half} : Shape{shape_[0], length, 1, half});
  }

  // The pairs (a, b) turned by the angle: neighbours where interleaved, else elements that lie half a head apart.
  ValueId rotate(ValueId x) {
    const bool interleaved = c_.attrs().integer("interleaved") != 0;
    const Shape whole = c_.shape(x);
    Shape half = whole, pairs = whole;
    half[3] = pairs[3] = rotated_ / 2;
    std::vector<ValueId> parts;
    if (interleaved) {
      pairs.push_back(2);
      parts = split(c_.reshape(x, pairs), {1, 1});
      for (ValueId& part : parts) part = c_.reshape(part, half);
    } else {
      parts = split(x, {rotated_ / 2, rotated_ / 2});
    }
    const ValueId cos = angles(1), sin = angles(2);
    const ValueId a = c_.build("Sub", {mul(parts[0], cos), mul(parts[1], sin)});
    const ValueId b = c_.build("Add", {mul(parts[0], sin), mul(parts[1], cos)});
    if (!interleaved) return join(a, b);
    pairs[4] = 1;
    return c_.reshape(join(c_.reshape(a, pairs), c_.reshape(b, pairs)), whole);
  }

  ExpandContext& c_;
  ValueId x_;
  Shape shape_;
  int64_t heads_axis_ = 1, rotated_ = 0;
};

}  // namespace

extern const OpDef kAttention = {
    .name = "Attention",
    .doc =
        "softmax(q k^T * scale, capped, masked) v per head: operands q [n,heads,rows,size], k [n,kv heads,keys,size], "
        "v, "
        "mask (bool, or floats that are added), past key and value, lengths [n] of what is not padding. With three "
        "axes, "
        "[n,rows,heads * size]. Outputs y, the present key and value, and the scores after the scaling (0), the cap "
        "(1), "
        "the mask (2) or the softmax (3)",
    .min_inputs = 3,
    .max_inputs = 7,
    .max_outputs = 4,
    .defaults = {{"is_causal", int64_t{0}},
                 {"kv_num_heads", int64_t{0}},
                 {"q_num_heads", int64_t{0}},
                 {"qk_matmul_output_mode", int64_t{0}},
                 {"scale", 0.0f},
                 {"softcap", 0.0f},
                 {"softmax_precision", int64_t{0}}},
    .expand = [](ExpandContext& context) { return AttentionWriter(context).run(); },
};

extern const OpDef kRotaryEmbedding = {
    .name = "RotaryEmbedding",
    .doc =
        "x [n,heads,length,size] or [n,length,heads * size] with the first `rotary_embedding_dim` elements of every "
        "head "
        "turned in pairs by angles: operands x, cos [n,length,half] and sin, or tables of these by position and the "
        "positions [n,length]",
    .min_inputs = 3,
    .max_inputs = 4,
    .defaults = {{"interleaved", int64_t{0}}, {"num_heads", int64_t{0}}, {"rotary_embedding_dim", int64_t{0}}},
    .expand = [](ExpandContext& context) -> std::vector<ValueId> { return {RotaryWriter(context).run()}; },
};

}  // namespace marvin

// Matrix products: Gemm and MatMul, in floating point and in fixed point.
#include <algorithm>

#include "runtime/kernels/gemm.h"
#include "runtime/kernels/gemm_bytes.h"
#include "runtime/kernels/gemm_words.h"
#include "runtime/kernels/onednn_matmul.h"
#include "runtime/ops/op.h"

namespace marvin {
namespace {

// ---- Inference ------------------------------------------------------------------------------------------------------

bool is_word(DType dtype) { return dtype == DType::i8 || dtype == DType::i16 || dtype == DType::i32; }

DType product_dtype(const Type& a, const Type& b) {
  const bool floats = a.dtype == b.dtype && (a.dtype == DType::f32 || a.dtype == DType::f64);
  const bool words = is_word(a.dtype) && is_word(b.dtype);
  if (!floats && !words) {
    throw Error("cannot multiply ", text_of(a), " by ", text_of(b), "; both must be f32, both f64 or both quantized");
  }
  if (a.layout != Layout::row_major || b.layout != Layout::row_major) throw Error("operands must be row_major");
  return words ? DType::f32 : a.dtype;
}

// The extents of a product. A 1-D `a` is one row, a 1-D `b` one column; a transpose swaps the last two axes.
GemmShape product_shape(const Shape& a, const Shape& b, const Attrs& attrs) {
  GemmShape s{.trans_a = attrs.integer("transA") != 0, .trans_b = attrs.integer("transB") != 0};
  if (a.empty() || b.empty()) throw Error("a scalar is not a matrix");
  if ((s.trans_a && a.size() == 1) || (s.trans_b && b.size() == 1)) throw Error("a vector cannot be transposed");
  const int64_t a_rows = a.size() == 1 ? 1 : a[a.size() - 2], a_columns = a.back();
  const int64_t b_rows = b.size() == 1 ? b[0] : b[b.size() - 2], b_columns = b.size() == 1 ? 1 : b.back();
  s.m = s.trans_a ? a_columns : a_rows;
  s.k = s.trans_a ? a_rows : a_columns;
  s.n = s.trans_b ? b_rows : b_columns;
  const int64_t b_depth = s.trans_b ? b_columns : b_rows;
  if (s.k != b_depth) {
    throw Error("the inner extents of [", text_of(a), "] and [", text_of(b), "] differ: ", s.k, " and ", b_depth);
  }
  if (a.size() > 2) s.a_batch.assign(a.begin(), a.end() - 2);
  if (b.size() > 2) s.b_batch.assign(b.begin(), b.end() - 2);
  const size_t rank = std::max(s.a_batch.size(), s.b_batch.size());
  s.a_batch.insert(s.a_batch.begin(), rank - s.a_batch.size(), 1);
  s.b_batch.insert(s.b_batch.begin(), rank - s.b_batch.size(), 1);
  broadcast(s.a_batch, s.b_batch);
  return s;
}

std::vector<Type> infer_matmul(const InferContext& context) {
  const DType dtype = product_dtype(context.type(0), context.type(1));
  const GemmShape s = product_shape(context.shape(0), context.shape(1), context.attrs);
  Shape shape = s.batch();
  if (context.shape(0).size() > 1) shape.push_back(s.m);
  if (context.shape(1).size() > 1) shape.push_back(s.n);
  return {{dtype, shape}};
}

std::vector<Type> infer_gemm(const InferContext& context) {
  const DType dtype = product_dtype(context.type(0), context.type(1));
  if (context.shape(0).size() != 2 || context.shape(1).size() != 2) {
    throw Error("operands must be matrices, not ", text_of(context.type(0)), " and ", text_of(context.type(1)));
  }
  const GemmShape s = product_shape(context.shape(0), context.shape(1), context.attrs);
  const Shape shape = {s.m, s.n};
  if (context.has(2)) {
    const Type& c = context.type(2);
    if (c.dtype != dtype) throw Error("c must be ", name_of(dtype), ", not ", text_of(c));
    if (c.shape.size() > 2 || broadcast(c.shape, shape) != shape) {
      throw Error("c of shape [", text_of(c.shape), "] does not broadcast to [", text_of(shape), "]");
    }
  }
  return {{dtype, shape}};
}

// ---- Gradients ------------------------------------------------------------------------------------------------------

Attrs transposed(bool a, bool b) { return {{"transA", int64_t{a}}, {"transB", int64_t{b}}}; }

// The gradients of y = op(a) op(b): products of the same op, with nothing transposed in memory.
//   d.op(a) = dy op(b)^T, d.op(b) = op(a)^T dy; where the operand is stored transposed, so is its gradient.
template <class Build>
ValueId left_gradient(ValueId b, ValueId dy, bool trans_a, bool trans_b, Build build) {
  return trans_a ? build(b, dy, transposed(trans_b, true)) : build(dy, b, transposed(false, !trans_b));
}

template <class Build>
ValueId right_gradient(ValueId a, ValueId dy, bool trans_a, bool trans_b, Build build) {
  return trans_b ? build(dy, a, transposed(true, trans_a)) : build(a, dy, transposed(!trans_a, false));
}

std::vector<ValueId> gemm_gradient(GradContext& context) {
  const bool trans_a = context.attrs().integer("transA"), trans_b = context.attrs().integer("transB");
  const float alpha = context.attrs().real("alpha"), beta = context.attrs().real("beta");
  const ValueId a = context.in(0), b = context.in(1), c = context.in(2), dy = context.grad();
  const auto build = [&](ValueId left, ValueId right, Attrs attrs) {
    attrs.set("alpha", alpha);
    return context.build("Gemm", {left, right}, attrs);
  };
  std::vector<ValueId> gradients(3);
  if (context.wants(0)) gradients[0] = left_gradient(b, dy, trans_a, trans_b, build);
  if (context.wants(1)) gradients[1] = right_gradient(a, dy, trans_a, trans_b, build);
  if (c.valid() && context.wants(2)) {
    gradients[2] = context.sum_to(dy, context.shape(c));
    if (beta != 1) gradients[2] = context.build("Mul", {gradients[2], context.scalar_like(dy, beta)});
  }
  gradients.resize(context.input_count());
  return gradients;
}

Shape with_axes(Shape lead, int64_t rows, int64_t columns) {
  lead.push_back(rows);
  lead.push_back(columns);
  return lead;
}

std::vector<ValueId> matmul_gradient(GradContext& context) {
  const ValueId a_in = context.in(0), b_in = context.in(1);
  const Shape a_shape = context.shape(a_in), b_shape = context.shape(b_in);
  const GemmShape s = product_shape(a_shape, b_shape, context.attrs());
  const auto build = [&](ValueId left, ValueId right, const Attrs& attrs) {
    return context.build("MatMul", {left, right}, attrs);
  };
  // Vectors as matrices from here on.
  ValueId a = a_shape.size() == 1 ? context.reshape(a_in, {1, s.k}) : a_in;
  const ValueId b = b_shape.size() == 1 ? context.reshape(b_in, {s.k, 1}) : b_in;
  ValueId dy = context.reshape(context.grad(), with_axes(s.batch(), s.m, s.n));
  std::vector<ValueId> gradients(2);
  if (context.wants(0)) {
    const ValueId gradient = left_gradient(b, dy, s.trans_a, s.trans_b, build);
    gradients[0] = context.reshape(context.sum_to(gradient, context.shape(a)), a_shape);
  }
  if (context.wants(1)) {
    if (context.shape(b).size() == 2 && context.shape(a).size() > 2 && !s.trans_a) {
      // One product over all rows instead of a sum of products.
      const int64_t rows = elements(s.batch()) * s.m;
      a = context.reshape(a, {rows, s.k});
      dy = context.reshape(dy, {rows, s.n});
    }
    const ValueId gradient = right_gradient(a, dy, s.trans_a, s.trans_b, build);
    gradients[1] = context.reshape(context.sum_to(gradient, context.shape(b)), b_shape);
  }
  return gradients;
}

// ---- Kernels --------------------------------------------------------------------------------------------------------

// The query's product with as few axes as it has: rows of all the batch in one matrix where `b` is the same for all,
// else one leading axis where that is enough.
GemmShape kernel_shape(const KernelQuery& query) {
  GemmShape s = product_shape(query.in[0]->shape, query.in[1]->shape, query.attrs);
  const int64_t a_count = elements(s.a_batch), b_count = elements(s.b_batch);
  if (b_count == 1 && !s.trans_a) {
    s.m *= a_count;
    s.a_batch = s.b_batch = {};
  } else if (s.a_batch == s.b_batch || a_count == 1 || b_count == 1) {
    s.a_batch = {a_count};
    s.b_batch = {b_count};
  }
  return s;
}

int64_t product_macs(const KernelQuery& query) {
  const GemmShape s = kernel_shape(query);
  return elements(s.batch()) * s.m * s.n * s.k;
}

// What a run needs, worked out once.
struct Product {
  explicit Product(const KernelQuery& query) : gemm(kernel_shape(query)) {
    if (!query.attrs.has("alpha")) return;
    alpha = query.attrs.real("alpha");
    beta = query.attrs.real("beta");
    if (query.in.size() < 3 || !query.in[2] || beta == 0) return;
    const Shape& c = query.in[2]->shape;
    has_c = true;
    c_column = !c.empty() && c.back() != 1 ? 1 : 0;
    c_row = c.size() == 2 && c[0] != 1 ? c[1] : 0;
  }
  // c is one addend per column, and nothing is scaled.
  bool is_biased() const {
    return has_c && alpha == 1 && beta == 1 && c_row == 0 && (c_column == 1 || gemm.shape.n == 1);
  }

  Gemm gemm;
  float alpha = 1, beta = 1;
  bool has_c = false;
  int64_t c_row = 0, c_column = 0;  // strides
};

struct OnednnProduct : Product {
  OnednnProduct(const KernelQuery& query, OnednnMatmul::Operands operands)
      : Product(query), matmul(gemm.shape, operands, is_biased()) {}
  OnednnMatmul matmul;
};

struct BytesProduct : Product {
  explicit BytesProduct(const KernelQuery& query) : Product(query), multiply(gemm.shape) {}
  GemmBytes multiply;
};

struct WordsProduct : Product {
  explicit WordsProduct(const KernelQuery& query)
      : Product(query), multiply(gemm, static_cast<int>(bytes_of(query.in[1]->dtype))) {}
  GemmWords multiply;
};

float scale_of(const KernelArgs& args) { return power_of_two(-(args.in_formats[0].fl + args.in_formats[1].fl)); }
Words words(const KernelArgs& args, size_t i) {
  return {args.in[i], static_cast<int>(bytes_of(args.in_type(i).dtype))};
}

template <class T>
void finish(const Product& product, const KernelArgs& args) {
  if (product.alpha == 1 && !product.has_c) return;
  const GemmShape& s = product.gemm.shape;
  gemm_epilogue<T>(s.m, s.n, product.alpha, product.beta, product.has_c ? args.input<T>(2) : nullptr, product.c_row,
                   product.c_column, args.output<T>());
}

bool both_are(const KernelQuery& query, DType dtype) {
  return query.in[0]->dtype == dtype && query.in[1]->dtype == dtype;
}

bool fits_blas(const KernelQuery& query) {
  constexpr int64_t kLimit = int64_t{1} << 31;
  const GemmShape s = kernel_shape(query);
  return s.m > 0 && s.n > 0 && s.k > 0 && s.m < kLimit && s.n < kLimit && s.k < kLimit;
}

Prepared prepare_plain(const KernelQuery& query) { return {.state = std::make_shared<Product>(query)}; }

Prepared prepare_exact_f32(const KernelQuery& query) {
  const auto product = std::make_shared<Product>(query);
  return {.state = product, .scratch_bytes = gemm_exact_f32_scratch_bytes(product->gemm)};
}

Prepared prepare_exact_f64(const KernelQuery& query) {
  const auto product = std::make_shared<Product>(query);
  const int a_bytes = static_cast<int>(bytes_of(query.in[0]->dtype));
  const int b_bytes = static_cast<int>(bytes_of(query.in[1]->dtype));
  return {.state = product, .scratch_bytes = gemm_exact_f64_scratch_bytes(product->gemm, a_bytes, b_bytes)};
}

Prepared prepare_bytes(const KernelQuery& query) {
  const auto product = std::make_shared<BytesProduct>(query);
  return {.state = product, .scratch_bytes = product->multiply.scratch_bytes()};
}

Prepared prepare_words(const KernelQuery& query) {
  const auto product = std::make_shared<WordsProduct>(query);
  return {.state = product, .scratch_bytes = product->multiply.scratch_bytes()};
}

template <OnednnMatmul::Operands operands>
Prepared prepare_onednn(const KernelQuery& query) {
  const auto product = std::make_shared<OnednnProduct>(query, operands);
  return {.state = product, .scratch_bytes = product->matmul.scratch_bytes()};
}

bool admits_s8_onednn(const KernelQuery& query) {
  return both_are(query, DType::i8) && OnednnMatmul::admits(kernel_shape(query), OnednnMatmul::Operands::s8);
}
bool admits_bytes(const KernelQuery& query) {
  return both_are(query, DType::i8) && GemmBytes::admits(kernel_shape(query));
}
bool admits_words(const KernelQuery& query) {
  const auto is_short = [&](size_t i) { return query.in[i]->dtype == DType::i8 || query.in[i]->dtype == DType::i16; };
  return is_short(0) && is_short(1) && !both_are(query, DType::i8) && GemmWords::admits(kernel_shape(query));
}
bool admits_f32_onednn(const KernelQuery& query) {
  return both_are(query, DType::f32) && OnednnMatmul::admits(kernel_shape(query), OnednnMatmul::Operands::f32);
}
bool admits_f32_openblas(const KernelQuery& query) { return both_are(query, DType::f32) && fits_blas(query); }
bool admits_f64_openblas(const KernelQuery& query) { return both_are(query, DType::f64) && fits_blas(query); }
bool admits_exact_f32(const KernelQuery& query) { return both_are(query, DType::i8) && fits_blas(query); }
bool admits_exact_f64(const KernelQuery& query) { return is_word(query.in[0]->dtype) && fits_blas(query); }

void run_onednn(const KernelArgs& args) {
  OnednnProduct& product = *static_cast<OnednnProduct*>(args.state);
  const bool quantized = args.in_type(0).dtype == DType::i8, biased = product.is_biased();
  product.matmul.run(args.in[0], args.in[1], quantized ? scale_of(args) : 1, biased ? args.input<float>(2) : nullptr,
                     args.output<float>(), args.scratch);
  if (!biased) finish<float>(product, args);
}

void run_bytes(const KernelArgs& args) {
  const BytesProduct& product = *static_cast<const BytesProduct*>(args.state);
  const bool biased = product.is_biased();
  product.multiply.run(args.input<int8_t>(0), args.input<int8_t>(1), scale_of(args),
                       biased ? args.input<float>(2) : nullptr, args.output<float>(), args.scratch);
  if (!biased) finish<float>(product, args);
}

void run_words(const KernelArgs& args) {
  const WordsProduct& product = *static_cast<const WordsProduct*>(args.state);
  product.multiply.run(words(args, 0), args.in_formats[0].wl, words(args, 1), args.in_formats[1].wl, scale_of(args),
                       args.output<float>(), args.scratch);
  finish<float>(product, args);
}

template <class T>
void run_openblas(const KernelArgs& args) {
  const Product& product = *static_cast<const Product*>(args.state);
  gemm_openblas(product.gemm, args.input<T>(0), args.input<T>(1), args.output<T>());
  finish<T>(product, args);
}

template <auto multiply>
void run_exact(const KernelArgs& args) {
  const Product& product = *static_cast<const Product*>(args.state);
  multiply(product.gemm, words(args, 0), words(args, 1), scale_of(args), args.output<float>(), args.scratch);
  finish<float>(product, args);
}

void run_reference(const KernelArgs& args) {
  const Product& product = *static_cast<const Product*>(args.state);
  const DType dtype = args.in_type(0).dtype;
  if (dtype == DType::f64) {
    gemm_reference(product.gemm, args.input<double>(0), args.input<double>(1), args.output<double>());
    return finish<double>(product, args);
  }
  if (dtype == DType::f32) {
    gemm_reference(product.gemm, args.input<float>(0), args.input<float>(1), args.output<float>());
  } else {
    gemm_reference(product.gemm, words(args, 0), words(args, 1), scale_of(args), args.output<float>());
  }
  finish<float>(product, args);
}

// The names of one op's kernels.
struct KernelNames {
  std::string_view s8_vnni, s8_onednn, s16_vnni, exact_f32, exact_f64, f32_onednn, f32_openblas, f64_openblas,
      reference;
};

std::vector<Kernel> product_kernels(const KernelNames& names) {
  using enum Backend;
  using enum OnednnMatmul::Operands;
  return {
      {names.s8_vnni, own, admits_bytes, prepare_bytes, run_bytes},
      {names.s8_onednn, onednn, admits_s8_onednn, prepare_onednn<s8>, run_onednn},
      {names.s16_vnni, own, admits_words, prepare_words, run_words},
      {names.exact_f32, openblas, admits_exact_f32, prepare_exact_f32, run_exact<gemm_exact_f32>},
      {names.exact_f64, openblas, admits_exact_f64, prepare_exact_f64, run_exact<gemm_exact_f64>},
      {names.f32_onednn, onednn, admits_f32_onednn, prepare_onednn<f32>, run_onednn},
      {names.f32_openblas, openblas, admits_f32_openblas, prepare_plain, run_openblas<float>},
      {names.f64_openblas, openblas, admits_f64_openblas, prepare_plain, run_openblas<double>},
      {names.reference, own, nullptr, prepare_plain, run_reference},
  };
}

}  // namespace

extern const OpDef kGemm = {
    .name = "Gemm",
    .doc =
        "y [m,n] = alpha * op(a) op(b) + beta * c: op(a) is a [m,k], or its transpose where transA; op(b) is b [k,n], "
        "or its transpose where transB; c broadcasts to y. Quantized operands are multiplied exactly and rounded once "
        "to f32, before alpha, beta and c.",
    .min_inputs = 2,
    .max_inputs = 3,
    .defaults = {{"alpha", 1.0f}, {"beta", 1.0f}, {"transA", int64_t{0}}, {"transB", int64_t{0}}},
    .infer = infer_gemm,
    .gradient = gemm_gradient,
    .kernels = product_kernels({"gemm_s8_vnni", "gemm_s8_onednn", "gemm_s16_vnni", "gemm_exact_f32_openblas",
                                "gemm_exact_f64_openblas", "gemm_f32_onednn", "gemm_f32_openblas", "gemm_f64_openblas",
                                "gemm_reference"}),
    .product = {{0, 1}},
    .macs = product_macs,
};

extern const OpDef kMatMul = {
    .name = "MatMul",
    .doc =
        "y [...,m,n] = op(a) [...,m,k] op(b) [...,k,n] as numpy.matmul: leading axes broadcast, a vector is a row on "
        "the left and a column on the right. transA and transB, which ONNX has not, swap an operand's last two axes. "
        "Quantized operands are multiplied exactly and rounded once to f32.",
    .min_inputs = 2,
    .max_inputs = 2,
    .defaults = {{"transA", int64_t{0}}, {"transB", int64_t{0}}},
    .infer = infer_matmul,
    .gradient = matmul_gradient,
    .kernels = product_kernels({"matmul_s8_vnni", "matmul_s8_onednn", "matmul_s16_vnni", "matmul_exact_f32_openblas",
                                "matmul_exact_f64_openblas", "matmul_f32_onednn", "matmul_f32_openblas",
                                "matmul_f64_openblas", "matmul_reference"}),
    .product = {{0, 1}},
    .macs = product_macs,
};

}  // namespace marvin

// Sums over everything but the channels.
#include "runtime/kernels/channel_sum.h"

#include "runtime/ops/op.h"

namespace marvin {
namespace {

bool is_row_major(const KernelQuery& query) { return query.in[0]->layout == Layout::row_major; }

int64_t inner_of(const Shape& shape) { return elements(Shape(shape.begin() + 2, shape.end())); }

int64_t rows_of(const Type& x, int64_t channels) { return channels == 0 ? 0 : x.elements() / channels; }

}  // namespace

extern const OpDef kChannelSum = {
    .name = "ChannelSum",
    .doc = "y[c] = the sum of x[n,c,...] over all other axes",
    .infer = [](const InferContext& context) -> std::vector<Type> {
      const Type& x = context.type(0);
      if (x.dtype != DType::f32 || x.rank() < 2) throw Error("takes f32 [n,c,...], not ", text_of(x));
      return {Type{DType::f32, {x.shape[1]}}};
    },
    .gradient = [](GradContext& context) -> std::vector<ValueId> {
      const Shape shape = context.shape(context.in(0));
      Shape channels(shape.size(), 1);
      channels[1] = shape[1];
      const ValueId dy = context.reshape(context.grad(), channels);
      return {context.build("Expand", {dy, context.constant_shape(shape)})};
    },
    .kernels = {{.name = "channel_sum_last_f32",
                 .admits = [](const KernelQuery& query) { return !is_row_major(query); },
                 .prepare = [](const KernelQuery& query) -> Prepared {
                   const Type& x = *query.in[0];
                   return {nullptr, channel_sum_scratch_bytes(rows_of(x, x.shape[1]), x.shape[1])};
                 },
                 .run =
                     [](const KernelArgs& args) {
                       const int64_t channels = args.out_type().elements();
                       if (channels == 0) return;
                       channel_sum_rows(args.input<float>(0), rows_of(args.in_type(0), channels), channels,
                                        args.scratch, args.first / channels);
                     },
                 .finish =
                     [](const KernelArgs& args) {
                       const int64_t channels = args.out_type().elements();
                       channel_sum_total(rows_of(args.in_type(0), channels), channels, args.scratch,
                                         args.output<float>());
                     },
                 .tiling = [](const KernelQuery& query) -> std::optional<Tiling> {
                   const Type& x = *query.in[0];
                   return Tiling{.elements = x.elements(), .in = 1, .grain = kChannelSumRows * x.shape[1]};
                 }},
                {.name = "channel_sum_f32",
                 .admits = is_row_major,
                 .run =
                     [](const KernelArgs& args) {
                       const Shape& shape = args.in_type(0).shape;
                       channel_sum_planes(args.input<float>(0), shape[0], shape[1], inner_of(shape),
                                          args.output<float>());
                     }}},
    .layouts = LayoutRule::own,
};

}  // namespace marvin

// The way from one layout to the other.
#include "runtime/kernels/layouts.h"
#include "runtime/ops/op.h"

namespace marvin {

extern const OpDef kReorder = {
    .name = "Reorder",
    .doc = "the images x[n,c,...] in the other layout: channels_last where the attribute says so, else row_major",
    .defaults = {{"channels_last", int64_t{0}}},
    .infer = [](const InferContext& context) -> std::vector<Type> {
      const Layout to = context.attrs.integer("channels_last") != 0 ? Layout::channels_last : Layout::row_major;
      Type type = context.type(0);
      if (type.dtype != DType::f32 || type.rank() < 3 || type.layout == to)
        throw Error("takes f32 of three or more dimensions in the other layout, not ", text_of(type));
      type.layout = to;
      return {type};
    },
    .kernels = {{.name = "reorder_f32",
                 .run =
                     [](const KernelArgs& args) {
                       const Type& type = args.in_type(0);
                       const int64_t n = type.shape[0], channels = type.shape[1];
                       const int64_t pixels = type.elements() / std::max<int64_t>(1, n * channels);
                       const bool to_last = args.out_type().layout == Layout::channels_last;
                       transpose_images(n, to_last ? channels : pixels, to_last ? pixels : channels,
                                        args.input<float>(0), args.output<float>());
                     }}},
    .layouts = LayoutRule::own,
};

}  // namespace marvin

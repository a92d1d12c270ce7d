#include "runtime/data/batches.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "runtime/data/convert.h"
#include "runtime/data/npy.h"
#include "runtime/data/random.h"
#include "runtime/ir/error.h"

namespace marvin {
namespace {

// What random bits are drawn for.
enum class Purpose : uint64_t { split, order, augmentation };

constexpr int64_t kParallelElements = 1 << 18;  // below this, about 0.2 ms, one thread writes a batch

// The shuffle of Fisher and Yates (Durstenfeld's form).
void shuffle_in_place(std::vector<int64_t>& values, uint64_t key) {
  for (size_t i = values.size(); i-- > 1;) {
    std::swap(values[i], values[static_cast<size_t>(below(static_cast<int64_t>(i) + 1, random_bits(key, i)))]);
  }
}

std::vector<int64_t> all_samples(const Dataset& dataset) {
  std::vector<int64_t> samples(static_cast<size_t>(dataset.samples()));
  std::iota(samples.begin(), samples.end(), int64_t{0});
  return samples;
}

bool is_image(const Dataset& dataset, const NamedArray& array) {
  return dataset.kind == DataKind::images && array.name == "input";
}

// Whether the extents of a destination, batch size aside, hold images c h w in their order.
bool holds_images(std::span<const int64_t> extents, std::span<const int64_t> image) {
  if (extents.size() == 1) return extents[0] == image[0] * image[1] * image[2];
  return std::equal(extents.begin(), extents.end(), image.begin(), image.end()) ||
         (image[0] == 1 && std::equal(extents.begin(), extents.end(), image.begin() + 1, image.end()));
}

}  // namespace

SampleSplit split(const Dataset& dataset, double fraction, uint64_t seed) {
  std::vector<int64_t> samples = all_samples(dataset);
  if (!(fraction > 0 && fraction < 1)) throw Error("--val-split ", fraction, " makes no sense; it is between 0 and 1");
  const double count = std::round(fraction * static_cast<double>(samples.size()));
  if (count < 1) {
    throw Error("--val-split ", fraction, " of ", samples.size(), " samples is none; give ",
                1 / static_cast<double>(samples.size()), " for one, or more");
  }
  if (count >= static_cast<double>(samples.size())) {
    throw Error("--val-split ", fraction, " of ", samples.size(), " samples is all, which leaves none to ",
                "train on; give less");
  }
  shuffle_in_place(samples, random_bits(seed, Purpose::split));
  const std::vector<int64_t>::iterator middle = samples.begin() + static_cast<int64_t>(count);
  std::sort(samples.begin(), middle);
  std::sort(middle, samples.end());
  return {{middle, samples.end()}, {samples.begin(), middle}};
}

BatchReader::BatchReader(const Dataset& dataset, const Preprocess& preprocess, BatchOptions options)
    : options_(std::move(options)), samples_(options_.samples ? *options_.samples : all_samples(dataset)) {
  order_ = samples_;
  file_ = dataset.source;
  if (options_.batch_size < 1) throw Error("a batch size of ", options_.batch_size, "; expected at least 1");
  if (batches_per_epoch() == 0) {
    throw Error("--batch-size ", options_.batch_size, " is more than the ", samples(), " samples to train on; give at ",
                "most ", samples());
  }
  if (dataset.kind == DataKind::arrays && preprocess != Preprocess{}) {
    throw Error("preprocess: arrays are fed as they are; only image data sets can be preprocessed");
  }
  for (const NamedArray& array : dataset.arrays) {
    Type batch = array.values.type();
    if (is_image(dataset, array)) {
      transform_.emplace(preprocess, Shape(batch.shape.begin() + 1, batch.shape.end()));
      batch = Type{DType::f32, transform_->shape()};
      batch.shape.insert(batch.shape.begin(), 1);
    }
    batch.shape[0] = options_.batch_size;
    sources_.push_back({&array, std::move(batch)});
  }
}

int64_t BatchReader::batches_per_epoch() const {
  return (samples() + (options_.drop_last ? 0 : options_.batch_size - 1)) / options_.batch_size;
}

const BatchReader::Source& BatchReader::source_of(std::string_view array) const {
  for (const Source& source : sources_)
    if (source.array->name == array) return source;
  std::vector<std::string> names;
  for (const Source& source : sources_) names.push_back(cat("'", source.array->name, "'"));
  throw Error("the data set has no array '", array, "'; it has ", join(names));
}

Type BatchReader::batch_type(std::string_view array) const { return source_of(array).batch; }

void BatchReader::check(const Destination& destination) const {
  const Source& source = source_of(destination.array);
  const Type &wanted = destination.type, &batch = source.batch;
  const bool same_form = wanted.shape == batch.shape && wanted.layout == Layout::row_major;
  bool fits = wanted == batch ||
              (same_form && !(transform_ && destination.array == "input") && can_feed(batch.dtype, wanted.dtype));
  if (!fits && wanted.layout == Layout::row_major && wanted.rank() > 0 && wanted.shape[0] == options_.batch_size) {
    if (destination.array == "labels") {
      fits = wanted.shape == batch.shape && is_integer(batch.dtype) &&
             (wanted.dtype == DType::i32 || wanted.dtype == DType::i64);
    } else if (transform_ && destination.array == "input") {
      fits = wanted.dtype == DType::f32 && holds_images(std::span(wanted.shape).subspan(1), transform_->shape());
    }
  }
  if (!fits) {
    throw Error(file_, file_.empty() ? "" : ": ", "array '", destination.array, "': the data set gives ",
                text_of(batch), " but the graph expects ", text_of(wanted), remedy(source, destination));
  }
}

// "; what to do", or "" where that is not known.
std::string BatchReader::remedy(const Source& source, const Destination& destination) const {
  const Type &wanted = destination.type, &batch = source.batch;
  if (transform_ && destination.array == "input") return "";
  const bool is_label = destination.array == "labels";
  if (is_label && is_integer(batch.dtype) && is_float(wanted.dtype))
    return "; class labels need --loss cross-entropy or nll, and this loss numbers for every score";
  if (is_label && !is_integer(batch.dtype) && is_integer(wanted.dtype))
    return "; class labels are integers, and numbers to compare scores with need --loss mse, say";
  if (wanted.rank() == 0 || wanted.elements() != batch.elements()) return "";
  std::string calls;
  if (wanted.shape != batch.shape) {
    const Shape sample(wanted.shape.begin() + 1, wanted.shape.end());
    calls = cat(".reshape(-1", sample.empty() ? "" : ",", text_of(sample), ")");
  }
  if (wanted.dtype != batch.dtype && !(is_label && is_integer(batch.dtype)) && !can_feed(batch.dtype, wanted.dtype))
    calls += cat(".astype('", numpy_code(wanted.dtype), "')");
  return calls.empty() ? "" : cat("; save it with numpy's ", calls);
}

void BatchReader::shuffle(int64_t epoch) {
  if (!options_.shuffle || epoch == epoch_) return;
  std::copy(samples_.begin(), samples_.end(), order_.begin());
  shuffle_in_place(order_, random_bits(options_.seed, Purpose::order, epoch));
  epoch_ = epoch;
}

void BatchReader::write_images(const Source& source, int64_t epoch, int64_t begin, std::byte* out) const {
  const Shape& shape = source.array->values.type().shape;
  const int64_t stored_size = shape[1] * shape[2] * shape[3], size = elements(transform_->shape());
  const uint8_t* images = source.array->values.as<uint8_t>().data();
  float* target = reinterpret_cast<float*>(out);
#pragma omp parallel for schedule(static) if (options_.batch_size * size >= kParallelElements)
  for (int64_t i = 0; i < options_.batch_size; ++i) {
    const int64_t sample = sample_at(begin + i);
    const View view = options_.augment
                          ? transform_->random_view(random_bits(options_.seed, Purpose::augmentation, epoch, sample))
                          : transform_->plain_view();
    transform_->write(images + sample * stored_size, view, target + i * size);
  }
}

void BatchReader::write_array(const Source& source, const Destination& destination, int64_t begin) const {
  const DType from = source.batch.dtype, to = destination.type.dtype;
  const int64_t size = source.batch.elements() / options_.batch_size;
  const int64_t from_bytes = size * bytes_of(from), to_bytes = size * bytes_of(to);
  const std::byte* values = source.array->values.data();
  int64_t unfit = std::numeric_limits<int64_t>::max();  // the first element of the array that does not fit
#pragma omp parallel for schedule(static) reduction(min : unfit) if (options_.batch_size * size >= kParallelElements)
  for (int64_t i = 0; i < options_.batch_size; ++i) {
    const int64_t sample = sample_at(begin + i);
    const int64_t fit = convert_elements(from, values + sample * from_bytes, to, destination.data + i * to_bytes, size);
    if (fit < size) unfit = std::min(unfit, sample * size + fit);
  }
  if (unfit == std::numeric_limits<int64_t>::max()) return;
  throw Error("array '", destination.array, "': ", integer_text(from, values, unfit), ", in sample ", unfit / size,
              ", does not fit in ", name_of(to));
}

int64_t BatchReader::read(int64_t epoch, int64_t index, std::span<const Destination> destinations) {
  shuffle(epoch);
  const int64_t begin = index * options_.batch_size;
  for (const Destination& destination : destinations) {
    check(destination);
    const Source& source = source_of(destination.array);
    if (transform_ && destination.array == "input") {
      write_images(source, epoch, begin, destination.data);
    } else {
      write_array(source, destination, begin);
    }
  }
  return std::min(options_.batch_size, samples() - begin);
}

}  // namespace marvin

// Batches of a data set in an order that depends on nothing but the seed and the epoch.
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/data/dataset.h"
#include "runtime/data/preprocess.h"

namespace marvin {

struct SampleSplit {
  std::vector<int64_t> train, validation;  // ascending
};
// Sets aside a random `fraction` of the samples, rounded to whole ones. Throws Error unless both parts get some.
SampleSplit split(const Dataset& dataset, double fraction, uint64_t seed);

struct BatchOptions {
  int64_t batch_size = 1;
  bool shuffle = false;  // a new order each epoch, from the seed
  uint64_t seed = 0;
  bool drop_last = false;                       // leaves out a last incomplete batch
  bool augment = false;                         // with the preprocess's crop and flip
  std::optional<std::vector<int64_t>> samples;  // the ones to read, in order; all where not given
};

// The memory that one array of a batch is written to: row-major, the first extent the batch size.
struct Destination {
  std::string_view array;
  Type type;
  std::byte* data = nullptr;
};

// Reads any batch of any epoch: (epoch, batch index) is the whole position, and which samples a batch holds and how
// they are augmented is a pure function of it and the seed. Allocates nothing after construction.
class BatchReader {
 public:
  // The data set must outlive the reader. Throws Error on a batch size that is less than 1 or, where drop_last leaves
  // no batch, too large; and on a preprocess that does not fit the images or is given for arrays, which are fed as they
  // are.
  BatchReader(const Dataset& dataset, const Preprocess& preprocess, BatchOptions options);

  int64_t samples() const { return static_cast<int64_t>(samples_.size()); }
  int64_t batches_per_epoch() const;

  // The type of a batch of the array. Throws Error when there is no such array.
  Type batch_type(std::string_view array) const;
  // Throws Error, saying how to mend the array, unless it can be written to the type: the same as batch_type, or what
  // can_feed it, or labels as i32 or i64 whatever integers they are stored as, or images n c h w flattened to n chw or,
  // of one channel, as n h w.
  void check(const Destination& destination) const;

  // Writes batch `index` of [0, batches_per_epoch()) and returns how many of its samples are valid: batch_size, or
  // fewer in a last incomplete batch, whose remainder repeats the last sample. Throws Error as `check` does, and when a
  // number does not fit.
  int64_t read(int64_t epoch, int64_t index, std::span<const Destination> destinations);

 private:
  struct Source {
    const NamedArray* array;
    Type batch;
  };
  const Source& source_of(std::string_view array) const;
  std::string remedy(const Source& source, const Destination& destination) const;
  void shuffle(int64_t epoch);
  void write_images(const Source& source, int64_t epoch, int64_t begin, std::byte* out) const;
  void write_array(const Source& source, const Destination& destination, int64_t begin) const;
  int64_t sample_at(int64_t position) const { return order_[static_cast<size_t>(std::min(position, samples() - 1))]; }

  BatchOptions options_;
  std::vector<int64_t> samples_, order_;
  int64_t epoch_ = -1;  // that order_ is of
  std::vector<Source> sources_;
  std::optional<ImageTransform> transform_;
  std::string file_;  // of the data set
};

}  // namespace marvin

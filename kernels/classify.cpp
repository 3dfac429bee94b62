#include "classify.h"

#include <algorithm>
#include <type_traits>

#include "head_math.h"

namespace edge_mtl {

Classifier::Classifier(const RawTensor& logits, bool multi_label)
    : logits_(logits), multi_label_(multi_label), powers_(logits.channels) {}

void Classifier::operator()(const void* raw, float* scores) {
  const int classes = logits_.channels;
  with_type(logits_.dtype, raw, [&](const auto* data) {
    using Sum = SumOf<std::decay_t<decltype(*data)>>;
    for (int c = 0; c < classes; ++c) {
      scores[c] =
          bounded_logit(dequantised(Sum{value_of(data[c])}, logits_.scale, logits_.zero_point));
    }
  });
  if (multi_label_) {
    for (int c = 0; c < classes; ++c) scores[c] = sigmoid(scores[c]);
    return;
  }
  // The powers of the distances to the best one cannot overflow; they are added in their order.
  const double best = *std::max_element(scores, scores + classes);
  double sum = 0.0;
  for (int c = 0; c < classes; ++c) {
    powers_[c] = exponential(scores[c] - best);
    sum += powers_[c];
  }
  for (int c = 0; c < classes; ++c) scores[c] = static_cast<float>(powers_[c] / sum);
}

}  // namespace edge_mtl

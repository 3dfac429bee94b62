// The Python face of the kernels. Only here is anything checked, before a pointer is taken from an
// array. The kernels run without the GIL; each object does one batch at a time, whatever thread
// asks.
#include <nanobind/nanobind.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "head_binding.h"
#include "multiversion.h"
#include "preprocess_binding.h"

NB_MODULE(_kernels, module) {
  using namespace edge_mtl;
  module.def("instruction_set", &instruction_set);
  nb::class_<PreprocessorBinding>(module, "Preprocessor")
      .def(nb::init<int, int, int, uint8_t, nb::object, const std::array<LineTuple, 3>&, int>(),
           nb::arg("width"), nb::arg("height"), nb::arg("batch"), nb::arg("pad"), nb::arg("table"),
           nb::arg("lines"), nb::arg("threads"))
      .def("__call__", &PreprocessorBinding::operator(), nb::arg("frames"), nb::arg("placements"),
           nb::arg("out").none());
  nb::class_<FusedHeadBinding>(module, "FusedHead")
      .def(nb::init<int, int, int, int>(), nb::arg("network_width"), nb::arg("network_height"),
           nb::arg("batch"), nb::arg("threads"))
      .def("add_segmentation", &FusedHeadBinding::add_segmentation, nb::arg("logits"),
           nb::arg("binary"))
      .def("add_detection", &FusedHeadBinding::add_detection, nb::arg("levels"), nb::arg("bins"),
           nb::arg("min_logit"), nb::arg("iou_threshold"), nb::arg("max_boxes"),
           nb::arg("max_candidates"))
      .def("add_decoded_detection", &FusedHeadBinding::add_decoded_detection, nb::arg("candidates"),
           nb::arg("channels_last"), nb::arg("by_centre"), nb::arg("objectness"),
           nb::arg("min_score"), nb::arg("iou_threshold"), nb::arg("max_boxes"),
           nb::arg("max_candidates"))
      .def("add_pose", &FusedHeadBinding::add_pose, nb::arg("detection"), nb::arg("class_ids"),
           nb::arg("levels"))
      .def("add_classification", &FusedHeadBinding::add_classification, nb::arg("logits"),
           nb::arg("multi_label"))
      .def("__call__", &FusedHeadBinding::operator(), nb::arg("raw"), nb::arg("placements"),
           nb::arg("masks"), nb::arg("boxes"), nb::arg("poses"), nb::arg("class_scores"));
}

// Arrays from Python: their dtype, shape and layout, or an error that says what was expected and
// what was found.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "raw_tensor.h"

template <>
struct nanobind::detail::dtype_traits<edge_mtl::Half> {
  static constexpr dlpack::dtype value{static_cast<uint8_t>(dlpack::dtype_code::Float), 16, 1};
  static constexpr auto name = const_name("float16");
};

namespace edge_mtl {

namespace nb = nanobind;

using Shape = std::vector<int64_t>;

inline std::string text(const Shape& shape) {
  std::string text = "(";
  for (const int64_t extent : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(extent);
  return text + ")";
}

inline std::string text(nb::dlpack::dtype dtype) {
  const char* kind = "type ";
  switch (static_cast<nb::dlpack::dtype_code>(dtype.code)) {
    case nb::dlpack::dtype_code::Int:
      kind = "int";
      break;
    case nb::dlpack::dtype_code::UInt:
      kind = "uint";
      break;
    case nb::dlpack::dtype_code::Float:
      kind = "float";
      break;
    case nb::dlpack::dtype_code::Bool:
      kind = "bool";
      break;
    default:
      break;
  }
  return kind + std::to_string(dtype.bits);
}

inline nb::dlpack::dtype dlpack_type(DType dtype) {
  switch (dtype) {
    case DType::kUint8:
      return nb::dtype<uint8_t>();
    case DType::kInt8:
      return nb::dtype<int8_t>();
    case DType::kFloat16:
      return nb::dtype<Half>();
    default:
      return nb::dtype<float>();
  }
}

template <typename Array>
Shape shape_of(const Array& array) {
  return Shape(array.shape_ptr(), array.shape_ptr() + array.ndim());
}

// Array is nb::ndarray<nb::ro> for an input, nb::ndarray<> for an output.
template <typename Array>
Array as_array(nb::handle object, const std::string& name, nb::dlpack::dtype dtype) {
  Array array;
  if (!nb::try_cast(object, array) || array.device_type() != nb::device::cpu::value) {
    const char* const access = Array::ReadOnly ? "" : "writable ";
    const std::string found = nb::cast<std::string>(nb::str(object.type().attr("__name__")));
    throw nb::type_error((name + " must be a " + access + "NumPy array of " + text(dtype) +
                          ", this " + found + " is not")
                             .c_str());
  }
  if (array.dtype() != dtype) {
    throw nb::type_error(
        (name + " must have dtype " + text(dtype) + ", found " + text(array.dtype())).c_str());
  }
  return array;
}

template <typename Array>
void require_shape(const Array& array, const std::string& name, const Shape& shape) {
  if (shape_of(array) != shape) {
    throw nb::value_error(
        (name + " must have shape " + text(shape) + ", found " + text(shape_of(array))).c_str());
  }
}

template <typename Array>
void require_contiguous(const Array& array, const std::string& name) {
  int64_t stride = 1;
  bool dense = reinterpret_cast<uintptr_t>(array.data()) % array.itemsize() == 0;
  for (size_t i = array.ndim(); i-- > 0; stride *= array.shape(i)) {
    dense = dense && (array.shape(i) == 1 || array.stride(i) == stride);
  }
  if (!dense) {
    throw nb::value_error(
        (name + " must be C-contiguous and aligned: pass numpy.ascontiguousarray(...)").c_str());
  }
}

// The arrays of one call. They are held until it ends, with what DLPack may have made for it, and
// what is written to shares no memory with any other of them.
class CallArrays {
 public:
  const void* input(nb::handle object, const std::string& name, nb::dlpack::dtype dtype,
                    const Shape& shape) {
    auto array = as_array<nb::ndarray<nb::ro>>(object, name, dtype);
    require_shape(array, name, shape);
    require_contiguous(array, name);
    const size_t bytes = array.nbytes();
    return hold_input(std::move(array), name, 0, bytes);
  }

  // `bytes` of memory from `first` bytes after the data on.
  const void* hold_input(nb::ndarray<nb::ro> array, const std::string& name, ptrdiff_t first,
                         size_t bytes) {
    const void* const data = array.data();
    extents_.push_back({reinterpret_cast<uintptr_t>(data) + first, bytes, false, name});
    inputs_.push_back(std::move(array));
    return data;
  }

  template <typename T>
  T* output(nb::handle object, const std::string& name, const Shape& shape) {
    auto array = as_array<nb::ndarray<>>(object, name, nb::dtype<T>());
    require_shape(array, name, shape);
    return hold_output<T>(std::move(array), name);
  }

  template <typename T>
  T* hold_output(nb::ndarray<> array, const std::string& name) {
    require_contiguous(array, name);
    T* const data = static_cast<T*>(array.data());
    extents_.push_back({reinterpret_cast<uintptr_t>(data), array.nbytes(), true, name});
    outputs_.push_back(std::move(array));
    return data;
  }

  void require_apart() {
    std::sort(extents_.begin(), extents_.end(),
              [](const Extent& a, const Extent& b) { return a.begin < b.begin; });
    // Those that reach furthest so far: of all, and of what is written to.
    const Extent *furthest = nullptr, *written = nullptr;
    for (const Extent& extent : extents_) {
      const Extent* const before = extent.written ? furthest : written;
      if (before != nullptr && extent.begin < before->end()) {
        throw nb::value_error((extent.name + " must not share memory with " + before->name +
                               ": give each an array of its own")
                                  .c_str());
      }
      if (furthest == nullptr || furthest->end() < extent.end()) furthest = &extent;
      if (extent.written) written = &extent;
    }
  }

 private:
  struct Extent {
    uintptr_t begin;
    size_t bytes;
    bool written;
    std::string name;

    uintptr_t end() const { return begin + bytes; }
  };

  std::vector<nb::ndarray<nb::ro>> inputs_;
  std::vector<nb::ndarray<>> outputs_;
  std::vector<Extent> extents_;
};

}  // namespace edge_mtl

// Arrays from Python: their dtype, shape and layout, or an error that says what was expected and
// what was found.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <string>
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
Array contiguous(nb::handle object, const std::string& name, nb::dlpack::dtype dtype,
                 const Shape& shape) {
  Array array = as_array<Array>(object, name, dtype);
  if (shape_of(array) != shape) {
    throw nb::value_error(
        (name + " must have shape " + text(shape) + ", found " + text(shape_of(array))).c_str());
  }
  int64_t stride = 1;
  bool dense = reinterpret_cast<uintptr_t>(array.data()) % array.itemsize() == 0;
  for (size_t i = shape.size(); i-- > 0; stride *= shape[i]) {
    dense = dense && (shape[i] == 1 || array.stride(i) == stride);
  }
  if (!dense) {
    throw nb::value_error(
        (name + " must be C-contiguous and aligned: pass numpy.ascontiguousarray(...)").c_str());
  }
  return array;
}

template <typename T>
T* output(nb::handle object, const std::string& name, const Shape& shape) {
  return static_cast<T*>(contiguous<nb::ndarray<>>(object, name, nb::dtype<T>(), shape).data());
}

}  // namespace edge_mtl

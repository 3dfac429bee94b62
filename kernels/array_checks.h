// Arrays from Python: their dtype, shape and layout, or an error that says what was expected and
// what was found.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <type_traits>
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

using Shape = std::initializer_list<int64_t>;

// What an array is called in errors; numbered where there are several.
struct Name {
  Name(const char* name, int number = -1) : name(name), number(number) {}

  const char* name;
  int number;
};

inline std::string text(const char* text) { return text; }
inline std::string text(const std::string& text) { return text; }
inline std::string text(Name name) {
  return name.number < 0 ? name.name : name.name + std::to_string(name.number);
}

template <typename Number, std::enable_if_t<std::is_arithmetic_v<Number>, int> = 0>
std::string text(Number number) {
  return std::to_string(number);
}

template <typename Extent>
std::string text(const Extent* extents, size_t axes) {
  std::string text = "(";
  for (size_t i = 0; i < axes; ++i) text += (i > 0 ? ", " : "") + std::to_string(extents[i]);
  return text + ")";
}

inline std::string text(Shape shape) { return text(shape.begin(), shape.size()); }

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

// message: its parts, which are put together only where it is needed.
template <typename... Parts>
void require(bool condition, const Parts&... message) {
  if (!condition) throw nb::value_error((text(message) + ...).c_str());
}

template <typename... Parts>
void require_type(bool condition, const Parts&... message) {
  if (!condition) throw nb::type_error((text(message) + ...).c_str());
}

// Array is nb::ndarray<nb::ro> for an input, nb::ndarray<> for an output.
template <typename Array>
Array as_array(nb::handle object, Name name, nb::dlpack::dtype dtype) {
  Array array;
  if (!nb::try_cast(object, array) || array.device_type() != nb::device::cpu::value) {
    const char* const access = Array::ReadOnly ? "" : "writable ";
    const std::string found = nb::cast<std::string>(nb::str(object.type().attr("__name__")));
    require_type(false, name, " must be a ", access, "NumPy array of ", dtype, ", this ", found,
                 " is not");
  }
  require_type(array.dtype() == dtype, name, " must have dtype ", dtype, ", found ", array.dtype());
  return array;
}

// why: what the message says about the shape.
template <typename Extent>
void require_shape(Name name, Shape shape, const Extent* found, size_t axes, const char* why = "") {
  if (!std::equal(shape.begin(), shape.end(), found, found + axes)) {
    require(false, name, " must have shape ", shape, why, ", found ", text(found, axes));
  }
}

template <typename Array>
void require_contiguous(const Array& array, Name name) {
  int64_t stride = 1;
  bool dense = reinterpret_cast<uintptr_t>(array.data()) % array.itemsize() == 0;
  for (size_t i = array.ndim(); i-- > 0; stride *= array.shape(i)) {
    dense = dense && (array.shape(i) == 1 || array.stride(i) == stride);
  }
  require(dense, name, " must be C-contiguous and aligned: pass numpy.ascontiguousarray(...)");
}

// The letter of the buffer protocol for what the kernels read and write.
inline char buffer_format(nb::dlpack::dtype dtype) {
  if (dtype == nb::dtype<float>()) return 'f';
  if (dtype == nb::dtype<Half>()) return 'e';
  if (dtype == nb::dtype<int32_t>()) return 'i';
  return dtype == nb::dtype<uint8_t>() ? 'B' : 'b';
}

// The arrays of one call. They are held until it ends, with what DLPack may have made for it, and
// what is written to shares no memory with any other of them.
//
// The buffer protocol gives the memory of a NumPy array in half of the time that nanobind takes.
// It is asked for what is contiguous and of the right dtype; all else goes through nanobind, which
// also knows DLPack, to be taken or refused.
class CallArrays {
 public:
  explicit CallArrays(size_t expected) {
    buffers_.reserve(expected);
    extents_.reserve(expected);
  }
  ~CallArrays() {
    for (Py_buffer& buffer : buffers_) PyBuffer_Release(&buffer);
  }
  CallArrays(const CallArrays&) = delete;
  CallArrays& operator=(const CallArrays&) = delete;

  const void* input(nb::handle object, Name name, nb::dlpack::dtype dtype, Shape shape) {
    const auto check = [&](const auto* found, size_t axes) {
      require_shape(name, shape, found, axes);
    };
    if (const void* const data = take_buffer(object, name, dtype, false, check)) return data;
    auto array = as_array<nb::ndarray<nb::ro>>(object, name, dtype);
    check(array.shape_ptr(), array.ndim());
    require_contiguous(array, name);
    const size_t bytes = array.nbytes();
    return hold_input(std::move(array), name, 0, bytes);
  }

  // `bytes` of memory from `first` bytes after the data on.
  const void* hold_input(nb::ndarray<nb::ro> array, Name name, ptrdiff_t first, size_t bytes) {
    const void* const data = array.data();
    extents_.push_back({reinterpret_cast<uintptr_t>(data) + first, bytes, false, name});
    inputs_.push_back(std::move(array));
    return data;
  }

  template <typename T>
  T* output(nb::handle object, Name name, Shape shape) {
    return output<T>(object, name, [&](const auto* found, size_t axes) {
      require_shape(name, shape, found, axes);
    });
  }

  // check: is called with the extents and their number, and throws where they will not do.
  template <typename T, typename Check>
  T* output(nb::handle object, Name name, const Check& check) {
    if (void* const data = take_buffer(object, name, nb::dtype<T>(), true, check)) {
      return static_cast<T*>(data);
    }
    auto array = as_array<nb::ndarray<>>(object, name, nb::dtype<T>());
    check(array.shape_ptr(), array.ndim());
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
        require(false, extent.name, " must not share memory with ", before->name,
                ": give each an array of its own");
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
    Name name;

    uintptr_t end() const { return begin + bytes; }
  };

  // The memory of what has a buffer of this dtype that is contiguous and aligned; otherwise
  // nullptr.
  template <typename Check>
  void* take_buffer(nb::handle object, Name name, nb::dlpack::dtype dtype, bool write,
                    const Check& check) {
    if (!PyObject_CheckBuffer(object.ptr())) return nullptr;
    const int access = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (write ? PyBUF_WRITABLE : 0);
    Py_buffer buffer;
    if (PyObject_GetBuffer(object.ptr(), &buffer, access) != 0) {
      PyErr_Clear();
      return nullptr;
    }
    const size_t size = dtype.bits / 8;
    const bool plain = buffer.format != nullptr && buffer.format[0] == buffer_format(dtype) &&
                       buffer.format[1] == '\0' && static_cast<size_t>(buffer.itemsize) == size &&
                       reinterpret_cast<uintptr_t>(buffer.buf) % size == 0;
    if (!plain) {
      PyBuffer_Release(&buffer);
      return nullptr;
    }
    buffers_.push_back(buffer);
    check(buffer.shape, static_cast<size_t>(buffer.ndim));
    extents_.push_back(
        {reinterpret_cast<uintptr_t>(buffer.buf), static_cast<size_t>(buffer.len), write, name});
    return buffer.buf;
  }

  std::vector<Py_buffer> buffers_;
  std::vector<nb::ndarray<nb::ro>> inputs_;
  std::vector<nb::ndarray<>> outputs_;
  std::vector<Extent> extents_;
};

}  // namespace edge_mtl

# Every target makes .venv itself; what is installed there already is not installed again.
#
#   make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu    a torch without CUDA
#   make test PYTHON=python3.12                                   another Python

PYTHON ?= python3.11 python3
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin

# pip builds in .venv, not in an isolation of its own: only a changed kernel is then compiled again,
# and constraints.txt holds for the build too. The system's CMake is used where it has one, and
# setuptools only unpacks TensorRT-RTX, which comes as a source package.
BUILD_TOOLS = scikit-build-core nanobind ninja setuptools wheel \
	$(if $(shell command -v cmake),,cmake)
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	$(addprefix --extra-index-url ,$(TORCH_INDEX))
INSTALLED_FROM = pyproject.toml constraints.txt $(wildcard kernels/*)

DEMO_EXTRAS = cpu,train,export,report
DEV_EXTRAS = $(DEMO_EXTRAS),batch,docs,labels,mcap,plots,rerun,sign,track,web,dev$(if $(filter x86_64,$(shell uname -m)),$(TENSORRT_RTX))
# A test builds an engine with it, which takes no GPU; it exists for x86-64.
TENSORRT_RTX = ,tensorrt-rtx

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-all bench bench-peers bench-compare bench-gate lint docs gpu-check gpu clean

help:  ## Show this list.
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

demo: $(VENV)/.demo  ## Export, quantise, stream and measure the network that ships, into out/demo.
	$(BIN)/edge-mtl demo

test: $(VENV)/.dev  ## The tests that are not slow.
	$(BIN)/python -m pytest -m "not slow"

test-all: $(VENV)/.dev  ## Every test, and the gate of the benchmarks.
	$(BIN)/python -m pytest
	$(BIN)/python benchmarks/run_gate.py check

bench: $(VENV)/.dev  ## The benchmarks, into benchmarks/results/MACHINE/COMMIT.json.
	$(BIN)/python -m pytest benchmarks --ignore=benchmarks/bench_peers.py --benchmark-group-by=group \
		--benchmark-json="$$($(BIN)/python benchmarks/result_files.py)"

bench-peers: $(VENV)/.dev  ## The same network in others, into docs/peers.md and README.
	$(BIN)/python -m pytest benchmarks/bench_peers.py
	$(BIN)/python benchmarks/peer_page.py

bench-compare: $(VENV)/.dev  ## This checkout's result against the last one that was committed.
	$(BIN)/python benchmarks/compare.py

bench-gate: $(VENV)/.dev  ## Whether kernels, pipeline or stream became slower, in a minute.
	$(BIN)/python benchmarks/run_gate.py check

lint: $(VENV)/.dev  ## Ruff, clang-format and mypy, changing nothing.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/clang-format --dry-run --Werror $(wildcard kernels/*.h kernels/*.cpp kernels/*.cu kernels/*.cuh tests/kernels/*.cpp benchmarks/gate/*.cpp)
	$(BIN)/mypy

# The variable keeps the theme from announcing its successor.
docs: $(VENV)/.dev  ## The documentation as a site, into out/site.
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

gpu-check: gpu $(VENV)/.dev  ## What works on this machine, and the tests that need its GPU.
	$(BIN)/edge-mtl doctor
	$(BIN)/python -m pytest tests/gpu
	@command -v compute-sanitizer || echo "gpu-check: no compute-sanitizer on the PATH, left out" >&2
	@command -v compute-sanitizer >/dev/null || exit 0; for tool in memcheck racecheck; do \
		compute-sanitizer --tool $$tool --error-exitcode 1 \
			$(BIN)/python -m pytest tests/gpu/test_kernels.py tests/gpu/test_cuda_graph.py || exit; done

gpu:
	@nvidia-smi -L || { echo "gpu-check: nvidia-smi finds no GPU on this machine" >&2; exit 1; }

clean:  ## Remove what was built and cached, and out/. Keeps .venv and runs/.
	rm -rf build dist out .benchmarks .hypothesis .mypy_cache .pytest_cache .ruff_cache
	rm -f $(VENV)/.demo $(VENV)/.dev

$(VENV)/.made:
	@for python in $(PYTHON); do \
		if $$python -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then \
			$$python -m venv $(VENV) && touch $@; exit; \
		fi; \
	done; \
	echo "make: expected Python 3.10 or newer with its venv module, found none among: $(PYTHON);" \
		"install it (Debian: apt-get install python3-venv) or name it (make PYTHON=...)" >&2; \
	exit 1

# Where the system has no libGL, as without a desktop, the OpenCV that cannot open windows takes the
# place of the one that can.
define install
	@echo "installing edge-mtl[$(1)] into $(VENV), which takes some minutes the first time"
	@$(INSTALL) $(BUILD_TOOLS)
	@$(INSTALL) --no-build-isolation -e '.[$(1)]'
	@$(BIN)/python -c 'import cv2' 2>/dev/null || \
		$(INSTALL) --force-reinstall --no-deps opencv-python-headless
endef

$(VENV)/.demo: $(VENV)/.made $(INSTALLED_FROM)
	$(call install,$(DEMO_EXTRAS))
	@touch $@

$(VENV)/.dev: $(VENV)/.made $(INSTALLED_FROM)
	$(call install,$(DEV_EXTRAS))
	@touch $@ $(VENV)/.demo

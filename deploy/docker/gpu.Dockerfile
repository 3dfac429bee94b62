# An x86-64 machine with an NVIDIA GPU of compute capability 7.5 or more, a driver for CUDA 13 (580
# or newer) and the NVIDIA Container Toolkit. In the root of the clone:
#
#   docker build -f deploy/docker/gpu.Dockerfile -t edge-mtl:gpu .
#   docker run --rm --gpus all edge-mtl:gpu doctor
#
# An engine is of one version of TensorRT: build it in the container that runs it (--rebuild). Only
# the runtime image of CUDA is in the result; the kernels are compiled in the stage before it.
ARG CUDA=13.0.1

FROM nvidia/cuda:${CUDA}-devel-ubuntu24.04 AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY constraints.txt ./
RUN python3 -m venv /opt/build \
    && /opt/build/bin/pip install -c constraints.txt \
        cmake nanobind ninja scikit-build-core
ENV PATH=/opt/build/bin:$PATH
ARG TENSORRT=10.16.1.11
RUN python3 -m venv --without-pip /opt/edge-mtl \
    && pip --python /opt/edge-mtl install -c constraints.txt \
        "tensorrt-cu13==${TENSORRT}" nvidia-ml-py onnx onnxruntime opencv-python-headless pycuda
COPY . .
RUN pip wheel --no-build-isolation --no-deps --wheel-dir /wheels . \
    && pip --python /opt/edge-mtl install -c constraints.txt \
        "$(echo /wheels/*.whl)[mcap,sign,web]"

FROM nvidia/cuda:${CUDA}-runtime-ubuntu24.04
LABEL org.opencontainers.image.title="edge-mtl" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 edge-mtl \
    && useradd --uid 10001 --gid edge-mtl --groups video --create-home edge-mtl
COPY --from=build /opt/edge-mtl /opt/edge-mtl
# video: NVIDIA's decoder, besides compute and nvidia-smi.
ENV PATH=/opt/edge-mtl/bin:$PATH EDGE_MTL_LOG_FORMAT=json PYTHONUNBUFFERED=1 \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility,video
WORKDIR /home/edge-mtl
USER 10001
EXPOSE 8000
# The process lives. A lost camera is no reason to start it anew: it is connected again.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python3", "-c", \
    "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["edge-mtl"]
CMD ["doctor"]

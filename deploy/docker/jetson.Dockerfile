# A Jetson. On the board, in the root of the clone; for JetPack 6 (Orin: CUDA 12.6, TensorRT 10.3,
# Python 3.10) and for JetPack 7 (Thor: CUDA 13, TensorRT 10.13, Python 3.12):
#
#   docker build -f deploy/docker/jetson.Dockerfile -t edge-mtl:jetpack6 .
#   docker build -f deploy/docker/jetson.Dockerfile -t edge-mtl:jetpack7 \
#     --build-arg BASE=nvcr.io/nvidia/tensorrt:25.10-py3 .
#
#   docker run --rm --runtime nvidia -v /etc/nv_tegra_release:/etc/nv_tegra_release:ro \
#     edge-mtl:jetpack6 doctor
#
# The driver, the camera's library and NVIDIA's elements of GStreamer come from the board, through
# the runtime; a CSI camera also needs -v /tmp/argus_socket:/tmp/argus_socket. OpenCV and GStreamer
# are Ubuntu's, for pip's OpenCV has no GStreamer. docs/jetson.md has the whole way.
ARG BASE=nvcr.io/nvidia/l4t-jetpack:r36.4.0

FROM ${BASE} AS build
# NVIDIA's images may set a constraint of their own, on NumPy among others.
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_CONSTRAINT=
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        g++ python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
RUN python3 -m venv /opt/build \
    && /opt/build/bin/pip install --upgrade pip \
    && /opt/build/bin/pip install cmake nanobind ninja scikit-build-core
ENV PATH=/opt/build/bin:/usr/local/cuda/bin:$PATH CUDA_ROOT=/usr/local/cuda
# TensorRT, OpenCV and PyGObject are the system's.
RUN python3 -m venv --without-pip --system-site-packages /opt/edge-mtl
COPY . .
RUN pip wheel --no-build-isolation --no-deps --wheel-dir /wheels . \
    && pip --python /opt/edge-mtl install "$(echo /wheels/*.whl)[jetson,mcap,sign,web]"

FROM ${BASE}
LABEL org.opencontainers.image.title="edge-mtl" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        gir1.2-gstreamer-1.0 gstreamer1.0-plugins-bad gstreamer1.0-plugins-base \
        gstreamer1.0-plugins-good gstreamer1.0-tools python3 python3-gi python3-opencv \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 edge-mtl \
    && useradd --uid 10001 --gid edge-mtl --groups video --create-home edge-mtl
COPY --from=build /opt/edge-mtl /opt/edge-mtl
ENV PATH=/opt/edge-mtl/bin:$PATH EDGE_MTL_LOG_FORMAT=json PYTHONUNBUFFERED=1 \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=all
WORKDIR /home/edge-mtl
USER 10001
EXPOSE 8000
# The process lives. A lost camera is no reason to start it anew: it is connected again.
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s CMD ["python3", "-c", \
    "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["edge-mtl"]
CMD ["doctor"]

# An x86-64 or Arm machine without a GPU. In the root of the clone:
#
#   docker build -f deploy/docker/cpu.Dockerfile -t edge-mtl:cpu .
#   docker run --rm edge-mtl:cpu doctor
#
# --build-arg ENGINES=onnxruntime leaves out OpenVINO, which is the faster and the larger one.
# The extra `track` is left out: its PyAV brings x264 and x265, which are under the GPL.
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY constraints.txt ./
RUN pip install -c constraints.txt cmake nanobind ninja scikit-build-core
# Before our own code, so that a change of it does not install them again.
ARG ENGINES="onnxruntime openvino"
RUN python -m venv --without-pip /opt/edge-mtl \
    && pip --python /opt/edge-mtl install -c constraints.txt ${ENGINES} opencv-python-headless
COPY . .
RUN pip wheel --no-build-isolation --no-deps --wheel-dir /wheels . \
    && pip --python /opt/edge-mtl install -c constraints.txt \
        "$(echo /wheels/*.whl)[mcap,sign,web]"

FROM python:${PYTHON}
LABEL org.opencontainers.image.title="edge-mtl" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 edge-mtl \
    && useradd --uid 10001 --gid edge-mtl --groups video --create-home edge-mtl
COPY --from=build /opt/edge-mtl /opt/edge-mtl
ENV PATH=/opt/edge-mtl/bin:$PATH EDGE_MTL_LOG_FORMAT=json PYTHONUNBUFFERED=1
WORKDIR /home/edge-mtl
USER 10001
EXPOSE 8000
# The process lives. A lost camera is no reason to start it anew: it is connected again.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "-c", \
    "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["edge-mtl"]
CMD ["doctor"]

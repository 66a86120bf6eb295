# The service with all that it needs, for a processor (the last target, built when none is named) and
# for NVIDIA cards (--target cuda). What is installed is said in .ci/install, which is tried by itself
# with `make image-check`. How to run it: docs/administrators.md.

FROM python:3.11.13-slim-bookworm AS source
ENV PIP_NO_CACHE_DIR=1
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY data data
COPY indexer indexer
COPY search search
COPY generator generator
COPY service service
COPY .ci/install .ci/install

FROM source AS installed-cpu
# Of the usual index, torch brings the libraries of NVIDIA along.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN .ci/install /opt/braggle

FROM source AS installed-cuda
ARG TORCH_INDEX=https://download.pytorch.org/whl/cu128
RUN .ci/install /opt/braggle

FROM python:3.11.13-slim-bookworm AS service
RUN useradd --system --uid 10001 --create-home braggle \
    && install --directory --owner=braggle --mode=0700 /data
ENV PATH=/opt/braggle/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    BRAGGLE_DATA_DIR=/data \
    BRAGGLE_SERVE_HOST=0.0.0.0 \
    NUMBA_CACHE_DIR=/data/compiled
VOLUME /data
EXPOSE 8000
USER 10001
WORKDIR /data
# The first start builds a library, compiles for this processor, and only then answers.
HEALTHCHECK --interval=15s --timeout=10s --start-period=15m \
    CMD ["python", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:8000/healthz')"]
CMD ["braggle", "serve", "--bundled"]

FROM service AS cuda
COPY --from=installed-cuda /opt/braggle /opt/braggle

FROM service AS cpu
COPY --from=installed-cpu /opt/braggle /opt/braggle

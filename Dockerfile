# Any host that runs containers: `docker build -t tgem . && docker run -p 7860:7860 -v tgem-data:/data tgem`
FROM python:3.11-slim

# Where pip looks for packages, empty for its own place, and for which; docs/hosting.md builds without CUDA.
ARG PIP_INDEX_URL=
ARG PIP_EXTRA_INDEX_URL=
ARG REQUIREMENTS=requirements.txt

# The source is root's and read-only to the user that runs it; the data is in one volume.
RUN useradd --create-home --uid 1000 tgem && install --directory --owner=tgem --mode=700 /data
WORKDIR /srv/tgem
# From what changes least to what changes most: a new version of the code is a layer of a few megabytes.
COPY requirements*.txt ./
RUN pip install --no-cache-dir -r "$REQUIREMENTS"
COPY assets assets
COPY docs/results/*.json docs/results/
COPY migrations migrations
COPY engine engine
COPY app app
COPY app.py LICENSE ./

# By number, which a host can check to be no root.
USER 1000
# Strangers come: each has their own galleries (docs/hosting.md).
ENV TGEM_HOME=/data GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=7860 \
    HF_HOME=/data/hub MPLCONFIGDIR=/tmp/matplotlib TGEM_PUBLIC=1 PYTHONDONTWRITEBYTECODE=1
VOLUME /data
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s \
    CMD ["python", "-c", "from urllib.request import *; build_opener(ProxyHandler({})).open('http://127.0.0.1:7860/health', timeout=8)"]
CMD ["python", "app.py"]

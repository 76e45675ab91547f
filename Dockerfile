# Any host that runs containers: `docker build -t tgem . && docker run -p 7860:7860 -v tgem-data:/data tgem`
FROM python:3.11-slim

# Nobody's files but its own: the source is root's and read-only to the user that runs it, the data is in one volume.
RUN useradd --create-home --uid 1000 tgem && mkdir /data && chown tgem /data
WORKDIR /srv/tgem
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY app.py alembic.ini ./
COPY app app
COPY engine engine
COPY assets assets
COPY migrations migrations
COPY docs/results docs/results

USER tgem
# TGEM_HOME: one volume for all that is kept. Strangers come: each has their own galleries (see docs/hosting.md).
ENV TGEM_HOME=/data GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=7860 \
    HF_HOME=/data/hub MPLCONFIGDIR=/tmp/matplotlib TGEM_PUBLIC=1 PYTHONDONTWRITEBYTECODE=1
VOLUME /data
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/health', timeout=8)"]
CMD ["python", "app.py"]

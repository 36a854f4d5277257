# The HTTP API and the web page in a container: docs/server.md.
FROM python:3.12-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
COPY . /source
RUN python -m pip wheel --no-deps --wheel-dir /wheels /source

FROM python:3.12-slim
COPY --from=build /wheels /wheels
RUN python -m pip install --no-cache-dir "$(echo /wheels/*.whl)[web]" \
    && rm -r /wheels \
    && useradd --create-home --uid 10001 server
USER server
ENV GI_PLUGIN_CACHE=/home/server/engines
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:7860/health', timeout=4)"]
ENTRYPOINT ["gi-plugin", "serve", "--host", "0.0.0.0"]

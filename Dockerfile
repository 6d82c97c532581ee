# The image holds the service and its locked dependencies, and runs as an unprivileged user.
FROM python:3.11-slim AS build
RUN pip install --no-cache-dir uv
WORKDIR /srv/afterword
COPY pyproject.toml uv.lock README.md LICENSE ./
COPY app app
COPY migrations migrations
COPY docs/guides docs/guides
RUN uv sync --locked --no-dev --extra parquet --extra mcp

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/afterword --create-home afterword
COPY --from=build /srv/afterword /srv/afterword
WORKDIR /srv/afterword
USER afterword
ENV PATH=/srv/afterword/.venv/bin:$PATH \
    AFTERWORD_DATA_DIR=/var/lib/afterword \
    AFTERWORD_HOST=0.0.0.0 \
    AFTERWORD_PORT=8000
VOLUME /var/lib/afterword
EXPOSE 8000
HEALTHCHECK CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz')"]
CMD ["afterword", "up"]

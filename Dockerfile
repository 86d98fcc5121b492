# The function for those who run their own: `docker build -t gemini-messages .`
# It listens on PORT. Everything else is a setting of README.md, handed in with `docker run --env`.
FROM python:3.13-slim

ENV PORT=8080 \
    THREADS=256 \
    WORKERS=1 \
    PYTHONUNBUFFERED=1

WORKDIR /app
COPY requirements.txt ./
RUN pip install --no-cache-dir --disable-pip-version-check -r requirements.txt
COPY main.py ./
COPY proxy/ proxy/
COPY translate/ translate/
RUN python -m compileall -q --invalidation-mode unchecked-hash .

# Nobody's id: nothing in the image belongs to it, so it can change nothing. Its home is where
# gunicorn keeps the socket that it makes for itself.
ENV HOME=/tmp
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; asked = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=4); asked.request('HEAD', '/'); sys.exit(asked.getresponse().status != 200)"]
CMD ["functions-framework", "--target=messages"]

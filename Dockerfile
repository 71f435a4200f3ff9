# The server alone, as an unprivileged user, on PORT (4000) of 0.0.0.0.
#   docker build -t redis-chat-server .
#   docker run -p 4000:4000 -e REDIS_ENDPOINT_URL=redis:6379 -v ./client/build:/client:ro \
#     -e CLIENT_DIR=/client redis-chat-server
# COMPAT=safe is the default. Behind a proxy that changes the Host header it needs ALLOWED_ORIGINS, or
# TRUSTED_PROXIES; behind HTTPS set COOKIE_SECURE=true.
# or, without a Redis:
#   docker run -p 4000:4000 -e STORE=embedded -v chat-data:/data redis-chat-server
FROM rust:1-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY batch-send batch-send
# The dependencies alone first, so that a change of our code does not build them again.
RUN mkdir src && echo 'fn main() {}' > src/main.rs && touch src/lib.rs \
 && cargo build --release --locked && rm -rf src
COPY src src
RUN touch src/main.rs src/lib.rs && cargo build --release --locked

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* && useradd --system --uid 10001 chat && install -d -o chat /data
COPY --from=build /src/target/release/redis-chat-server /usr/local/bin/redis-chat-server
USER chat
ENV PORT=4000 LOG_FORMAT=json DATA_FILE=/data/chat.db
VOLUME /data
EXPOSE 4000
STOPSIGNAL SIGTERM
CMD ["redis-chat-server"]

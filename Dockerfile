# The worker's image: one program, the libraries it is linked with, certificates, and nothing else.
#
#   docker build -t user-purge-sync .
#
# `make image` builds it where there is no registry of images, and holds it to all that is said here and in the chart.

# rustc as in Cargo.toml, on Debian 12. The digest is the one that public repositories pin for this tag.
ARG TOOLCHAIN=docker.io/library/rust:1.95.0-slim-bookworm@sha256:d7482085ff5b415f84dba5647ae71606650bdef00db7aeb69f4b3d170c3e4082

FROM ${TOOLCHAIN} AS toolchain
# Of Debian's packages the newest are wanted: the older ones are taken away when a hole in them is mended.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends cmake g++ libssl-dev make perl pkg-config zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src

# What the dependencies depend on: the manifests, each with an empty program.
FROM toolchain AS planner
COPY Cargo.toml Cargo.lock ./
COPY deploy/local/demo/Cargo.toml deploy/local/demo/
COPY deploy/local/sync-api/Cargo.toml deploy/local/sync-api/
COPY deploy/image/compile deploy/image/
RUN for member in . deploy/local/demo deploy/local/sync-api; do \
        mkdir "$member/src" && touch "$member/src/lib.rs" && echo 'fn main() {}' > "$member/src/main.rs" || exit 1; \
    done

FROM toolchain AS build
COPY --from=planner /src ./
# All dependencies: this layer is good until a manifest or the lock file changes.
RUN deploy/image/compile
COPY config ./config
COPY src ./src
# Sources are as old as their checkout, and cargo goes by their age.
RUN touch src/lib.rs src/main.rs && deploy/image/compile && cp target/release/user-purge-sync /usr/local/bin/
# Names for backtraces stay; lines would be four fifths of the image. Who needs them builds it again: the code is the same.
RUN strip --strip-debug /usr/local/bin/user-purge-sync

FROM toolchain AS files
COPY deploy/image/files deploy/image/
RUN deploy/image/files /files

# Every library is there, or there is no image. In a stage of its own: whatever runs one leaves traces in it.
FROM scratch AS tried
COPY --from=files /files /
COPY --from=build /usr/local/bin/user-purge-sync /usr/local/bin/
RUN ["/usr/local/bin/user-purge-sync", "--version"]

FROM scratch
COPY --from=files /files /
COPY --from=tried /usr/local/bin/user-purge-sync /usr/local/bin/
# OpenSSL, with which librdkafka trusts, looks for roots where only Debian's openssl package puts them.
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
# A number, or Kubernetes could not know that it is not root. The chart runs it as the same.
USER 1001:1001
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/user-purge-sync"]
CMD ["run"]
ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="user-purge-sync" \
      org.opencontainers.image.description="Re-indexes deleted Sunbird users and purges them from Keycloak, driven by Kafka" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# The image of the webhook: one static program, and nothing else.
#
#   docker build --build-arg VERSION=0.1.0 --build-arg REVISION="$(git rev-parse HEAD)" --tag alumet-injector:0.1.0 .
#
# Rust on Alpine builds for musl, and links it statically. The version is that of rust-toolchain.toml, which is not copied:
# rustup would else get the components that only development needs. The digest is that of the index of all platforms;
# `docker buildx imagetools inspect docker.io/library/rust:1.95.0-alpine3.23` prints it.
FROM docker.io/library/rust:1.95.0-alpine3.23@sha256:606fd313a0f49743ee2a7bd49a0914bab7deedb12791f3a846a34a4711db7ed2 AS build
# AWS-LC, the cryptography of TLS, is C and assembly: a compiler, the headers of musl and those of Linux; no cmake, no bindgen.
RUN apk add --no-cache gcc linux-headers musl-dev
WORKDIR /build
# What may come in is listed in .dockerignore.
COPY . .
# Stops the times of files from entering the program.
ENV SOURCE_DATE_EPOCH=0 CARGO_INCREMENTAL=0
RUN cargo build --release --locked --bin alumet-injector
# A program that asks for a loader or a library does not start in an empty image.
RUN test -x target/release/alumet-injector \
    && test -z "$(readelf --wide --dynamic target/release/alumet-injector | grep NEEDED)" \
    && test -z "$(readelf --wide --program-headers target/release/alumet-injector | grep INTERP)"

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="alumet-injector" \
      org.opencontainers.image.description="Completes Alumet's Kubernetes objects: admission webhook and Helm post-renderer" \
      org.opencontainers.image.source="https://github.com/alumet-dev/alumet" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build --chmod=0555 /build/target/release/alumet-injector /alumet-injector
COPY --chmod=0444 LICENSE /LICENSE
# As a number: the kubelet cannot tell otherwise that it is not root.
USER 65532:65532
EXPOSE 8443 8080
ENTRYPOINT ["/alumet-injector"]

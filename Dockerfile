# Both images, from scratch, with the same content as `make images` makes:
#   docker build --target wicketgated -t wicketgated .
#   docker build --target wicketgate-operator -t wicketgate-operator .
FROM docker.io/library/rust:1.95.0-bookworm AS build
# The toolchain file asks for a linter and a formatter too, which an image needs not.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /src
COPY . .
RUN cargo build --locked --release -p wicketgate-daemon --bin wicketgated -p wicketgate-operator --bin wicketgate-operator
RUN for name in wicketgated wicketgate-operator; do \
      hack/image-root "/image/$name" "target/release/$name" /etc/ssl/certs/ca-certificates.crt || exit 1; done

FROM scratch AS wicketgate-operator
COPY --from=build /image/wicketgate-operator/ /
USER 65532:65532
ENTRYPOINT ["/wicketgate-operator"]

FROM scratch AS wicketgated
COPY --from=build /image/wicketgated/ /
USER 65532:65532
ENTRYPOINT ["/wicketgated"]

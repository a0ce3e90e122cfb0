# The image from which functions take their watchdog:
#   docker build --tag auth-watchdog:0.1.0 --build-arg COMMIT="$(git rev-parse HEAD)" .
# For both architectures at once:
#   docker buildx build --platform linux/amd64,linux/arm64 --tag auth-watchdog:0.1.0 .
#
# It holds the program, /fwatchdog, and the sources of its Go module without
# the tests, /src/auth-watchdog, for functions that link it.

# The version is written here. test/template_test.go holds to it what names it
# elsewhere.
ARG VERSION=0.1.0
ARG COMMIT=unknown

FROM --platform=${BUILDPLATFORM:-linux/amd64} golang:1.26-bookworm AS build

ARG TARGETOS
ARG TARGETARCH
ARG VERSION
ARG COMMIT

WORKDIR /out/src/auth-watchdog
COPY go.mod go.sum ./
RUN go mod download
COPY watchdog watchdog
# Nothing of the machine and the hour of the build gets into the program, and
# every file has the same owner, mode and time.
RUN CGO_ENABLED=0 GOOS=${TARGETOS:-linux} GOARCH=${TARGETARCH:-amd64} \
      go build -trimpath -buildvcs=false \
      -ldflags "-s -w -buildid= -X main.version=${VERSION} -X main.commit=${COMMIT}" \
      -o /out/fwatchdog ./watchdog/cmd/auth-watchdog \
    && chmod -R u=rwX,go=rX /out && find /out -exec touch -h -d @0 {} +

FROM scratch
ARG VERSION
ARG COMMIT
LABEL org.opencontainers.image.title="auth-watchdog" \
      org.opencontainers.image.description="Lets nothing unauthenticated reach an OpenFaaS function" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}"
COPY --from=build /out /
ENTRYPOINT ["/fwatchdog"]

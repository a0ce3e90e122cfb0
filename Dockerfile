# The image from which functions take their watchdog:
#   docker build --tag auth-watchdog:0.1.0 .
# For both architectures at once:
#   docker buildx build --platform linux/amd64,linux/arm64 --tag auth-watchdog:0.1.0 .
FROM --platform=${BUILDPLATFORM:-linux/amd64} golang:1.26-bookworm AS build

ARG TARGETOS
ARG TARGETARCH
ARG VERSION=0.1.0
ARG COMMIT=unknown

WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY watchdog watchdog
RUN CGO_ENABLED=0 GOOS=${TARGETOS:-linux} GOARCH=${TARGETARCH:-amd64} \
      go build -trimpath -buildvcs=false -tags nethttpomithttp2 \
      -ldflags "-s -w -X main.version=${VERSION} -X main.commit=${COMMIT}" \
      -o /fwatchdog ./watchdog/cmd/auth-watchdog

FROM scratch
ARG VERSION=0.1.0
ARG COMMIT=unknown
LABEL org.opencontainers.image.title="auth-watchdog" \
      org.opencontainers.image.description="Lets nothing unauthenticated reach an OpenFaaS function" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}"
COPY --from=build /fwatchdog /fwatchdog
ENTRYPOINT ["/fwatchdog"]

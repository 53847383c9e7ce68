# One image for every function. Cloud Run's --args select the function (docs/deploy.md).
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=""
# Without cgo: the embedded store is pure Go, so the binary needs no libraries. Without gRPC's
# trace pages: their templates make the linker keep every method (docs/performance.md).
RUN CGO_ENABLED=0 go build -tags grpcnotrace -trimpath -buildvcs=false -ldflags "-s -w -X main.version=${VERSION}" -o /headgate . && mkdir /data

# This base has certificates, time zones, a user without rights, and nothing else.
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /headgate /headgate
COPY LICENSE /LICENSE
# The embedded store writes to ./data. A new volume that is mounted there gets this
# directory's owner, so the process may write to it.
COPY --from=build --chown=65532:65532 /data /home/nonroot/data
# PORT makes the process listen on all addresses, because nothing outside the container
# reaches its loopback address. Cloud Run sets PORT, too. Unless "auth" is set, every
# program that reaches the port may operate Headgate.
ENV PORT=8080
WORKDIR /home/nonroot
USER nonroot:nonroot
EXPOSE 8080
ENTRYPOINT ["/headgate"]
